#pragma once
// The port to the engine itself. Every call blocks and is made by one of a few threads.

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vora::event_engine {

// ClickHouse's own vocabulary: its code and its message.
struct sql_error {
    int code = 0;
    std::string message;  // "Code: 62. DB::Exception: ..."
};

template <class T>
using sql_result = std::expected<T, sql_error>;

// What the caller may set per statement; everything else is refused (settings.hpp).
struct statement_settings {
    std::string database = "default";
    std::int64_t execution_seconds_max = 60;
    std::string deduplication_token;
    std::vector<std::pair<std::string, std::string>> others;  // name and literal, both checked

    bool operator==(const statement_settings&) const = default;
};

struct answer {
    std::string bytes;
    std::uint64_t rows_written = 0;
};

// What a text would do, by the engine's own parser.
struct text_facts {
    enum class effect { none, changes_data, other };  // other: sessions, files, users, or no SQL
    std::uint32_t statements = 0;
    text_facts::effect effect = effect::other;
};

using parameters = std::vector<std::pair<std::string, std::string>>;

class sql_engine {
 public:
    sql_engine() = default;
    sql_engine(const sql_engine&) = delete;
    virtual ~sql_engine() = default;

    virtual text_facts look_at(std::string_view sql) = 0;
    // One statement without data behind it. Values are bound by the engine and never part of the
    // text.
    virtual sql_result<answer> query(std::string_view sql, std::string_view format,
                                     const parameters& values, const statement_settings& s) = 0;
    // insert_head is "INSERT INTO t (a, b)"; rows are bytes of the format and nothing else.
    virtual sql_result<answer> insert(std::string_view insert_head, std::string_view format,
                                      std::string_view rows, const statement_settings& s) = 0;
};

}  // namespace vora::event_engine
