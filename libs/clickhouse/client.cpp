#include "libs/clickhouse/client.hpp"

#include "libs/base/encoding.hpp"
#include "libs/clickhouse/errors.hpp"
#include "libs/net/client.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

namespace vora::clickhouse {

namespace {

using std::chrono::milliseconds;

constexpr std::size_t answer_bytes_max = std::size_t{64} << 20;
constexpr std::size_t short_answer_bytes_max = std::size_t{1} << 20;

// ClickHouse reads a parameter's value in its Escaped format (TabSeparated's), whatever the type.
std::string escaped(std::string_view value) {
    std::string out;
    out.reserve(value.size());
    for (const char c : value) {
        switch (c) {
            case '\\':
                out += "\\\\";
                break;
            case '\t':
                out += "\\t";
                break;
            case '\n':
                out += "\\n";
                break;
            case '\r':
                out += "\\r";
                break;
            case '\0':
                out += "\\0";
                break;
            default:
                out += c;
        }
    }
    return out;
}

void add(std::string& target, std::string_view name, std::string_view value) {
    target += target.empty() ? '?' : '&';
    target += percent_encode(name);
    target += '=';
    target += percent_encode(value);
}

// max_execution_time is in whole seconds (fractions are newer than the oldest server); the client's
// own deadline is exact.
std::string whole_seconds(milliseconds deadline) {
    return std::to_string(std::max<std::int64_t>(1, (deadline.count() + 999) / 1000));
}

error lost(const error& e) {
    if (e.code == errc::deadline_exceeded) {
        return {errc::deadline_exceeded, "clickhouse_slow", e.reason};
    }
    if (e.code == errc::resource_exhausted) {
        return {errc::resource_exhausted, "clickhouse_overloaded", e.reason};
    }
    // Also a URL or a key that cannot be sent: the configuration is wrong, not the caller's bytes.
    return {errc::unavailable, "clickhouse_unavailable", e.reason + " " + e.detail};
}

int code_of(std::string_view text) {
    const auto number = parse_uint(text);
    return number && *number < 1'000'000 ? static_cast<int>(*number) : 0;
}

// "Code: 60, e.displayText() = ..." is all that an old server tells.
int exception_code(const net::client_response& answer) {
    if (const auto told = answer.headers.get("X-ClickHouse-Exception-Code")) {
        return code_of(*told);
    }
    constexpr std::string_view start = "Code: ";
    if (answer.status == 200 || !answer.body.starts_with(start)) {
        return 0;
    }
    const auto rest = std::string_view(answer.body).substr(start.size());
    return code_of(rest.substr(0, rest.find_first_not_of("0123456789")));
}

// No settings in it: what may be set is what it asks for.
constexpr std::string_view look =
    "SELECT version(), groupArray(concat(name, '=', value)) FROM system.settings "
    "WHERE name IN ('async_insert', 'insert_deduplication_token', 'readonly') FORMAT TabSeparated";

}  // namespace

struct client::call {
    detail::call_kind kind = detail::call_kind::statement;
    std::string target{};  // "?query=..."
    std::string body{};
    std::string encoding{};  // of the body
    milliseconds deadline{};
    std::size_t answer_bytes_max = short_answer_bytes_max;
};

client::client(net::client& http, std::function<std::optional<endpoint>()> where)
    : http_(http), where_(std::move(where)) {}

task<result<std::string>> client::ask(endpoint at, call c) {
    net::client_request r;
    r.method = "POST";
    r.url = at.url + (at.url.ends_with('/') ? "" : "/") + c.target;
    r.headers.set("X-ClickHouse-User", at.user);
    if (!at.password.empty()) {
        r.headers.set("X-ClickHouse-Key", at.password);
    }
    if (!c.encoding.empty()) {
        r.headers.set("Content-Encoding", c.encoding);
    }
    r.body = std::move(c.body);
    r.deadline = c.deadline;
    r.body_bytes_max = c.answer_bytes_max;
    auto answer = co_await http_.send(std::move(r));
    if (!answer) {
        auto e = lost(answer.error());
        note(e, 0);
        co_return fail(std::move(e));
    }
    // With 200 too: a statement can fail after its answer has begun.
    const int code = exception_code(*answer);
    if (answer->status != 200 || code != 0) {
        auto e = detail::refusal(c.kind, answer->status, code, answer->body);
        note(e, code);
        co_return fail(std::move(e));
    }
    co_return std::move(answer->body);
}

// What answers next may be another server, or the same one with another user's rights.
void client::note(const error& e, int code) {
    constexpr int unknown_setting = 115;
    constexpr int readonly = 164;
    if (e.code == errc::unavailable || e.code == errc::unauthenticated || code == unknown_setting ||
        code == readonly) {
        facts_.reset();
    }
}

task<result<client::facts>> client::look_at(std::optional<endpoint> at, milliseconds deadline) {
    if (!at) {
        co_return fail(errc::unavailable, "clickhouse_unavailable", "there is no engine now");
    }
    auto text = co_await ask(*at, call{.body = std::string(look), .deadline = deadline});
    if (!text) {
        co_return fail(text.error());
    }
    const std::string_view told = *text;
    facts f;
    f.asked = std::move(*at);
    f.version = told.substr(0, told.find_first_of("\t\n"));
    // TabSeparated writes the quotes of an array's texts as they are.
    f.has_async_insert = told.find("'async_insert=") != told.npos;
    f.has_tokens = told.find("'insert_deduplication_token=") != told.npos;
    f.readonly = told.find("'readonly=1'") != told.npos   ? 1
                 : told.find("'readonly=2'") != told.npos ? 2
                                                          : 0;
    facts_ = f;
    co_return f;
}

task<result<client::facts>> client::known(milliseconds deadline) {
    auto at = where_();
    if (at && facts_ && facts_->asked == *at) {
        co_return *facts_;
    }
    auto seen = co_await look_at(std::move(at), deadline);
    co_return seen;
}

task<result<std::string>> client::version(milliseconds deadline) {
    auto seen = co_await look_at(where_(), deadline);
    if (!seen) {
        co_return fail(seen.error());
    }
    co_return std::move(seen->version);
}

task<result<void>> client::create_database(milliseconds deadline) {
    auto seen = co_await known(deadline);
    if (!seen) {
        co_return fail(seen.error());
    }
    auto sql = "CREATE DATABASE IF NOT EXISTS " + seen->asked.database;
    auto r = co_await ask(seen->asked, call{.body = std::move(sql), .deadline = deadline});
    if (!r) {
        co_return fail(r.error());
    }
    co_return result<void>{};
}

task<result<void>> client::execute(std::string sql, milliseconds deadline) {
    auto seen = co_await known(deadline);
    if (!seen) {
        co_return fail(seen.error());
    }
    call c{.body = std::move(sql), .deadline = deadline};
    add(c.target, "database", seen->asked.database);
    auto r = co_await ask(seen->asked, std::move(c));
    if (!r) {
        co_return fail(r.error());
    }
    co_return result<void>{};
}

task<result<std::string>> client::query(std::string sql, parameters values, milliseconds deadline) {
    auto seen = co_await known(deadline);
    if (!seen) {
        co_return fail(seen.error());
    }
    call c{.body = std::move(sql), .deadline = deadline, .answer_bytes_max = answer_bytes_max};
    for (const auto& [name, value] : values) {
        add(c.target, "param_" + name, escaped(value));
    }
    add(c.target, "database", seen->asked.database);
    // The answer is held back until it is whole: otherwise a failure in its middle is a 200.
    add(c.target, "wait_end_of_query", "1");
    if (seen->readonly != 1) {
        add(c.target, "max_execution_time", whole_seconds(deadline));
    }
    if (seen->readonly == 0) {
        add(c.target, "readonly", "1");  // last: after it no setting may change
    }
    auto r = co_await ask(seen->asked, std::move(c));
    co_return r;
}

task<result<void>> client::insert(insert_request r) {
    auto seen = co_await known(r.deadline);
    if (!seen) {
        co_return fail(seen.error());
    }
    call c{.kind = detail::call_kind::rows,
           .body = std::move(r.rows),
           .encoding = std::move(r.encoding),
           .deadline = r.deadline};
    add(c.target, "query", "INSERT INTO " + r.into + " FORMAT " + r.format);
    add(c.target, "database", seen->asked.database);
    // A server's own batching answers before the rows are part of the table, or without looking at
    // the token.
    if (seen->has_async_insert) {
        add(c.target, "async_insert", "0");
    }
    if (seen->has_tokens && !r.token.empty()) {
        add(c.target, "insert_deduplication_token", r.token);
    }
    auto done = co_await ask(seen->asked, std::move(c));
    if (!done) {
        co_return fail(done.error());
    }
    co_return result<void>{};
}

}  // namespace vora::clickhouse
