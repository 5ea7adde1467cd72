#include "services/analytics/handlers/ingest.hpp"

#include "libs/net/problem.hpp"

#include <algorithm>

namespace vora::analytics {

namespace {

// Without credentials: '*' is for pages that send no cookie. A beacon as text/plain needs no
// preflight, so it works from everywhere.
net::response open_to_all(net::response r) {
    r.headers.set("Access-Control-Allow-Origin", "*");
    r.headers.set("Cache-Control", "no-store");
    return r;
}

net::response refuse(const net::request& r, int status, const std::string& code,
                     const std::string& detail) {
    return open_to_all(net::problem(r, status, code, detail));
}

bool is_type(std::string_view field, std::string_view type) {
    const auto end = field.find_first_of("; \t");
    return std::ranges::equal(field.substr(0, end), type, [](char a, char b) {
        return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
    });
}

bool is_accepted_type(const net::request& r) {
    const auto field = r.headers.get("Content-Type").value_or("");
    return is_type(field, "application/json") || is_type(field, "text/plain");
}

task<net::response> preflight(net::request&) {
    auto answer = net::response::empty(204);
    answer.headers.set("Access-Control-Allow-Origin", "*");
    answer.headers.set("Access-Control-Allow-Methods", "POST");
    answer.headers.set("Access-Control-Allow-Headers", "Content-Type");
    answer.headers.set("Access-Control-Max-Age", "86400");
    co_return answer;
}

}  // namespace

net::router ingest::routes() {
    net::router routes;
    // The limit is kept here, so that a refusal carries the CORS headers too.
    net::route_options options;
    options.streams_body = true;
    routes.add("POST", "/v1/events", [this](net::request& r) { return post(r); }, options);
    routes.add("OPTIONS", "/v1/events", [](net::request& r) { return preflight(r); });
    return routes;
}

task<result<std::string>> ingest::read_body(net::request& r) {
    if (r.body->length().value_or(0) > body_bytes_max) {
        co_return fail(errc::resource_exhausted, "body_too_large");
    }
    auto body = co_await net::read_all(*r.body, body_bytes_max);
    co_return body;
}

task<net::response> ingest::post(net::request& r) {
    if (!is_accepted_type(r)) {
        co_return refuse(r, 415, "unsupported_content_type",
                         "events come as application/json or text/plain");
    }
    if (r.headers.count("Content-Encoding") > 0) {
        co_return refuse(r, 415, "unsupported_content_encoding", "events come unencoded");
    }
    auto body = co_await read_body(r);
    if (!body && body.error().reason == "body_too_large") {
        co_return refuse(r, 413, "body_too_large", "at most 64 KiB in a request");
    }
    if (!body) {
        co_return open_to_all(net::problem(r, body.error()));
    }
    auto events = parser_.parse(*body, clock_.now());
    if (!events) {
        const int status = events.error().reason == "too_many_events" ? 413 : 400;
        co_return refuse(r, status, events.error().reason, events.error().detail);
    }
    for (std::size_t i = 0; i < drop_reasons; ++i) {
        if (events->bad[i] > 0) {
            books_.refuse(static_cast<drop_reason>(i), events->bad[i]);
        }
    }
    if (events->good > 0) {
        co_await sink_.append(std::move(events->rows), events->good);
    }
    co_return open_to_all(net::response::empty(204));
}

}  // namespace vora::analytics
