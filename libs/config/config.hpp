#pragma once
// Configuration: one plain struct per service, its defaults are the embedded mode. A service binds
// its fields to dotted keys; load() fills them from DIR/vora.toml, then VORA_SECTION_KEY, then
// --section.key=value, the later winning. An unknown key is an error that names the nearest known
// one.

#include "libs/base/result.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace vora::config {

class schema {
 public:
    // The pointed-to field keeps its default unless a source names the key. Integers refuse values
    // below `least`. Seconds fields have keys that end in _s.
    void add(const std::string& key, std::string* field, const std::string& help);
    void add(const std::string& key, std::int64_t* field, const std::string& help,
             std::int64_t least = 0);
    void add(const std::string& key, bool* field, const std::string& help);
    void add(const std::string& key, double* field, const std::string& help);
    void add(const std::string& key, std::chrono::seconds* field, const std::string& help);
    void mark_secret(const std::string& key);  // shown as "***"

    // `toml_path` may be absent on disk. `environment` is usually environ; `flags` are
    // "section.key=value".
    result<void> load(const std::string& toml_path, const char* const* environment,
                      const std::vector<std::string>& flags);
    // The same to the end: everything that is wrong, each with its place ("vora.toml line 3").
    std::vector<error> load_all(const std::string& toml_path, const char* const* environment,
                                const std::vector<std::string>& flags);
    result<void> set(const std::string& key, const std::string& value, const std::string& source);

    struct entry {
        std::string key;
        std::string value;   // as it would be written
        std::string source;  // "default", "vora.toml", "environment", "flag"
        std::string help;
    };
    std::vector<entry> entries() const;

 private:
    struct binding {
        std::string help;
        std::string source = "default";
        bool secret = false;
        std::function<result<void>(const std::string&)> set;
        std::function<std::string()> get;
    };
    using errors = std::vector<error>;
    void load_toml(const std::string& path, errors& wrong);
    void load_environment(const char* const* environment, errors& wrong);
    result<void> set_from(const std::string& key, const std::string& value,
                          const std::string& source, const std::string& place);
    std::string nearest(const std::string& key) const;
    void bind(const std::string& key, binding b);
    std::map<std::string, binding> bindings_;
};

}  // namespace vora::config
