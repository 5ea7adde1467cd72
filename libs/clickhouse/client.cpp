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

int exception_code(const net::headers& headers) {
    const auto text = headers.get("X-ClickHouse-Exception-Code");
    if (!text) {
        return 0;
    }
    const auto number = parse_uint(*text);
    return number && *number < 1'000'000 ? static_cast<int>(*number) : 0;
}

struct call {
    detail::call_kind kind;
    std::string target;  // "?query=..."
    std::string body;
    milliseconds deadline;
    std::size_t answer_bytes_max;
};

task<result<std::string>> ask(net::client& http, std::optional<endpoint> at, call c) {
    if (!at) {
        co_return fail(errc::unavailable, "clickhouse_unavailable", "there is no engine now");
    }
    net::client_request r;
    r.method = "POST";
    r.url = at->url + (at->url.ends_with('/') ? "" : "/") + c.target;
    r.headers.set("X-ClickHouse-User", at->user);
    if (!at->password.empty()) {
        r.headers.set("X-ClickHouse-Key", at->password);
    }
    r.body = std::move(c.body);
    r.deadline = c.deadline;
    r.body_bytes_max = c.answer_bytes_max;
    auto answer = co_await http.send(std::move(r));
    if (!answer) {
        co_return fail(lost(answer.error()));
    }
    // With 200 too: a statement can fail after its answer has begun.
    const int code = exception_code(answer->headers);
    if (answer->status != 200 || code != 0) {
        co_return fail(detail::refusal(c.kind, answer->status, code, answer->body));
    }
    co_return std::move(answer->body);
}

}  // namespace

client::client(net::client& http, std::function<std::optional<endpoint>()> where)
    : http_(http), where_(std::move(where)) {}

task<result<std::string>> client::version(milliseconds deadline) {
    auto text = co_await query("SELECT version() FORMAT TabSeparated", {}, deadline);
    if (text && text->ends_with('\n')) {
        text->pop_back();
    }
    co_return text;
}

task<result<void>> client::execute(std::string sql, milliseconds deadline) {
    call c{detail::call_kind::statement, {}, std::move(sql), deadline, short_answer_bytes_max};
    auto r = co_await ask(http_, where_(), std::move(c));
    if (!r) {
        co_return fail(r.error());
    }
    co_return result<void>{};
}

task<result<std::string>> client::query(std::string sql, parameters values, milliseconds deadline) {
    call c{detail::call_kind::statement, {}, std::move(sql), deadline, answer_bytes_max};
    for (const auto& [name, value] : values) {
        add(c.target, "param_" + name, escaped(value));
    }
    // The answer is held back until it is whole: otherwise a failure in its middle is a 200.
    add(c.target, "wait_end_of_query", "1");
    add(c.target, "max_execution_time", whole_seconds(deadline));
    add(c.target, "readonly", "1");  // last: after it no setting may change
    auto r = co_await ask(http_, where_(), std::move(c));
    co_return r;
}

task<result<void>> client::insert(insert_request r) {
    call c{detail::call_kind::rows, {}, std::move(r.rows), r.deadline, short_answer_bytes_max};
    add(c.target, "query", "INSERT INTO " + r.into + " FORMAT " + r.format);
    // A server's own batching answers before the rows are part of the table, or without looking at
    // the token.
    add(c.target, "async_insert", "0");
    if (!r.token.empty()) {
        add(c.target, "insert_deduplication_token", r.token);
    }
    auto done = co_await ask(http_, where_(), std::move(c));
    if (!done) {
        co_return fail(done.error());
    }
    co_return result<void>{};
}

}  // namespace vora::clickhouse
