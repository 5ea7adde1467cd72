#include "services/event_engine/core/request_settings.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace vora::event_engine {

namespace {

constexpr std::int64_t execution_seconds_max = 3600;
constexpr std::size_t token_bytes_max = 256;

// Sent by clients as a matter of course. An answer is always held back until it is whole, never
// compressed, and belongs to no session.
constexpr std::array<std::string_view, 23> ignored{
    "async_insert",
    "buffer_size",
    "cancel_http_readonly_queries_on_client_close",
    "client_protocol_version",
    "compress",
    "enable_http_compression",
    "http_headers_progress_interval_ms",
    "http_make_head_request",
    "insert_deduplicate",
    "log_comment",
    "password",
    "query_id",
    "quota_key",
    "role",
    "send_progress_in_http_headers",
    "session_check",
    "session_id",
    "session_timeout",
    "user",
    "wait_end_of_query",
    "wait_for_async_insert",
    "stacktrace",
    "replace_running_query",
};

// Those that change how an answer is written or read, or how much a query may use. `fallback` is
// what holds where a request does not say.
struct known_setting {
    std::string_view name;
    bool is_text;
    std::string_view fallback;
};
constexpr std::array<known_setting, 9> known{{
    {"cast_string_to_dynamic_use_inference", false, "0"},
    {"date_time_input_format", true, "basic"},
    {"date_time_output_format", true, "simple"},
    {"input_format_skip_unknown_fields", false, "1"},
    {"max_block_size", false, "65409"},
    {"max_result_rows", false, "0"},
    {"max_threads", false, "2"},
    {"output_format_json_quote_64bit_integers", false, "0"},
    {"output_format_json_quote_denormals", false, "0"},
}};

// Never from outside: they bound what one statement may cost.
constexpr std::string_view fixed =
    "async_insert = 0, max_result_bytes = 67108864, result_overflow_mode = 'throw', "
    "max_memory_usage = 1000000000, allow_introspection_functions = 0, log_queries = 0";

std::unexpected<sql_error> refuse(int code, std::string text) {
    return std::unexpected(
        sql_error{code, "Code: " + std::to_string(code) + ". DB::Exception: " + std::move(text)});
}

bool is_number(std::string_view text) {
    return !text.empty() && text.size() <= 12 &&
           std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

bool is_token(std::string_view text) {
    return text.size() <= token_bytes_max && std::ranges::all_of(text, [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                      std::string_view("_-.:,/+=@ ").find(c) != std::string_view::npos;
           });
}

std::unexpected<sql_error> bad_value(const std::string& name) {
    return refuse(36, "A value of " + name + " that is not allowed (BAD_ARGUMENTS)");
}

sql_result<void> take_known(request_settings& out, const known_setting& k,
                            const std::string& value) {
    if (k.is_text ? !is_plain_name(value) : !is_number(value)) {
        return bad_value(std::string(k.name));
    }
    out.settings.others.emplace_back(k.name, k.is_text ? "'" + value + "'" : value);
    return {};
}

sql_result<void> take_seconds(request_settings& out, const std::string& value) {
    double seconds = 0;
    const auto* end = value.data() + value.size();
    const auto parsed = std::from_chars(value.data(), end, seconds);
    if (parsed.ec != std::errc() || parsed.ptr != end || !(seconds >= 0) || seconds > 1e9) {
        return bad_value("max_execution_time");
    }
    // 0 is ClickHouse's word for no limit; here there is always one.
    const auto whole = static_cast<std::int64_t>(std::ceil(seconds));
    out.settings.execution_seconds_max =
        whole == 0 ? execution_seconds_max : std::min(whole, execution_seconds_max);
    return {};
}

sql_result<void> take(request_settings& out, const std::string& name, const std::string& value) {
    if (name == "query") {
        out.query = value;
    } else if (name == "default_format") {
        if (!is_plain_name(value)) {
            return bad_value(name);
        }
        out.default_format = value;
    } else if (name == "readonly") {
        if (!is_number(value)) {
            return bad_value(name);
        }
        out.read_only = value != "0";
    } else if (name == "database") {
        if (!is_plain_name(value)) {
            return bad_value(name);
        }
        out.settings.database = value;
    } else if (name == "max_execution_time") {
        return take_seconds(out, value);
    } else if (name == "insert_deduplication_token") {
        if (!is_token(value)) {
            return bad_value(name);
        }
        out.settings.deduplication_token = value;
    } else if (name.starts_with("param_") && is_plain_name(name.substr(6))) {
        out.values.emplace_back(name.substr(6), value);
    } else if (const auto* k = std::ranges::find(known, name, &known_setting::name);
               k != known.end()) {
        return take_known(out, *k, value);
    } else if (std::ranges::find(ignored, name) == ignored.end()) {
        return refuse(115, "Setting " + name + " is unknown or not allowed (UNKNOWN_SETTING)");
    }
    return {};
}

}  // namespace

bool is_plain_name(std::string_view text) {
    return !text.empty() && text.size() <= 128 && std::ranges::all_of(text, [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               c == '_';
    });
}

sql_result<request_settings> read_settings(
    const std::vector<std::pair<std::string, std::string>>& query) {
    request_settings out;
    for (const auto& [name, value] : query) {
        if (auto r = take(out, name, value); !r) {
            return std::unexpected(r.error());
        }
    }
    return out;
}

std::string set_statement(const statement_settings& s) {
    std::string text = "SET max_execution_time = " + std::to_string(s.execution_seconds_max) +
                       ", insert_deduplication_token = '" + s.deduplication_token + "', ";
    text += fixed;
    for (const auto& k : known) {
        // The last of several wins, as in ClickHouse.
        std::string value =
            k.is_text ? "'" + std::string(k.fallback) + "'" : std::string(k.fallback);
        for (const auto& [name, literal] : s.others) {
            if (name == k.name) {
                value = literal;
            }
        }
        text += ", " + std::string(k.name) + " = " + value;
    }
    return text;
}

}  // namespace vora::event_engine
