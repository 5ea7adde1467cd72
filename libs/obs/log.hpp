#pragma once
// Structured logs: an event name and fields. Written in handlers, adapters and app; cores return,
// they do not log. Never pass a secret: tokens, grants and keys have no place in a field.

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace vora::obs {

enum class level { debug, info, warn, error };

struct field {
    std::string_view key;
    std::variant<std::string, std::int64_t, double, bool> value;

    field(std::string_view k, std::string v) : key(k), value(std::move(v)) {}
    field(std::string_view k, std::string_view v) : key(k), value(std::string(v)) {}
    field(std::string_view k, const char* v) : key(k), value(std::string(v)) {}
    field(std::string_view k, bool v) : key(k), value(v) {}
    field(std::string_view k, double v) : key(k), value(v) {}
    template <class I>
        requires std::is_integral_v<I>
    field(std::string_view k, I v) : key(k), value(static_cast<std::int64_t>(v)) {}
};

// Cheap to copy; copies write to the same place. One JSON object a line:
// {"time":RFC 3339,"level":"info","service":"upload","event":"chunk_written",...fields}
class logger {
 public:
    logger();  // writes nothing
    static logger to_stderr(level least);
    // Appends to path, rotated at bytes_max, files_max kept. Errors and warnings also go to stderr
    // in words.
    static logger to_file(const std::string& path, level least, std::size_t bytes_max,
                          std::size_t files_max);

    logger for_service(std::string_view service) const;
    void write(level l, std::string_view event, std::initializer_list<field> fields) const;
    void debug(std::string_view event, std::initializer_list<field> fields = {}) const {
        write(level::debug, event, fields);
    }
    void info(std::string_view event, std::initializer_list<field> fields = {}) const {
        write(level::info, event, fields);
    }
    void warn(std::string_view event, std::initializer_list<field> fields = {}) const {
        write(level::warn, event, fields);
    }
    void error(std::string_view event, std::initializer_list<field> fields = {}) const {
        write(level::error, event, fields);
    }
    void flush() const;

 private:
    struct sink;
    std::shared_ptr<sink> sink_;
    std::string service_;
};

}  // namespace vora::obs
