#pragma once
// What the query string of a request means: ClickHouse's parameters, an allow-list of its settings,
// and names that clients send and that mean nothing here.

#include "services/event_engine/core/sql_engine.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vora::event_engine {

struct request_settings {
    std::string query;           // "query="
    std::string default_format;  // "default_format="
    parameters values;           // "param_NAME="
    bool read_only = false;
    statement_settings settings;
};

// Code 115 (UNKNOWN_SETTING) for a name, code 36 (BAD_ARGUMENTS) for a value that is not allowed.
sql_result<request_settings> read_settings(
    const std::vector<std::pair<std::string, std::string>>& query);

// Letters, digits and '_', not empty: what may stand in SQL text as a name.
bool is_plain_name(std::string_view text);

// "SET ...": the settings of one statement, every one of them, so that nothing is left over from
// the statement before.
std::string set_statement(const statement_settings& s);

}  // namespace vora::event_engine
