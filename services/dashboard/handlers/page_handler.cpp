#include "services/dashboard/handlers/page_handler.hpp"

#include "libs/net/problem.hpp"

#include <utility>

namespace vora::dashboard {

namespace {

constexpr std::string_view permissions =
    "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), "
    "magnetometer=(), microphone=(), midi=(), payment=(), usb=()";

std::string_view next_element(std::string_view& list) {
    const auto end = list.find(',');
    auto element = list.substr(0, end);
    list = end == list.npos ? std::string_view() : list.substr(end + 1);
    const auto first = element.find_first_not_of(" \t");
    if (first == element.npos) {
        return {};
    }
    return element.substr(first, element.find_last_not_of(" \t") - first + 1);
}

bool accepts_gzip(const net::request& r) {
    std::string_view list = r.headers.get("Accept-Encoding").value_or("");
    while (!list.empty()) {
        const auto element = next_element(list);
        const auto name = element.substr(0, element.find_first_of("; \t"));
        if (name == "gzip") {
            const auto q = element.find("q=");
            // "q=0", "q=0.0", ...: refused in words.
            return q == element.npos ||
                   element.substr(q + 2).find_first_not_of("0.") != element.npos;
        }
    }
    return false;
}

bool has_tag(const net::request& r, const std::string& etag) {
    std::string_view list = r.headers.get("If-None-Match").value_or("");
    while (!list.empty()) {
        auto element = next_element(list);
        if (element.starts_with("W/")) {
            element.remove_prefix(2);
        }
        if (element == etag || element == "*") {
            return true;
        }
    }
    return false;
}

net::response answer_file(const net::request& r, const site::file& f, std::string_view caching) {
    const bool packed = !f.gzip.empty() && accepts_gzip(r);
    const auto& etag = packed ? f.gzip_etag : f.etag;
    const bool known = has_tag(r, etag);
    auto answer =
        known ? net::response::empty(304)
              : net::response::text(200, std::string(packed ? f.gzip : f.identity), f.content_type);
    answer.headers.set("ETag", etag);
    answer.headers.set("Cache-Control", caching);
    if (!f.gzip.empty()) {
        answer.headers.set("Vary", "Accept-Encoding");
    }
    if (packed && !known) {
        answer.headers.set("Content-Encoding", "gzip");
    }
    answer.headers.set("X-Content-Type-Options", "nosniff");
    answer.headers.set("Cross-Origin-Resource-Policy", "same-origin");
    return answer;
}

}  // namespace

page_handler::page_handler(const site& files, sign_in by_link)
    : site_(files), by_link_(std::move(by_link)) {}

net::router page_handler::routes() {
    net::router routes;
    const net::route_options no_body{.body_bytes_max = 0};
    const auto page = [this](net::request& r) -> task<net::response> { co_return index(r); };
    routes.add("GET", "/", page, no_body);
    routes.add("GET", "/watch/{id}", page, no_body);
    routes.add("GET", "/analytics", page, no_body);
    routes.add("GET", "/analytics/{id}", page, no_body);
    routes.add(
        "GET", "/embed/{id}",
        [this](net::request& r) -> task<net::response> { co_return embed(r); }, no_body);
    routes.add(
        "GET", "/assets/{name}",
        [this](net::request& r) -> task<net::response> { co_return asset(r); }, no_body);
    return routes;
}

net::response page_handler::index(net::request& r) {
    // A HEAD (a link preview) must not use up a link.
    if (const auto token = r.query_value("token"); token && r.method == "GET" && r.path == "/") {
        return by_link_(r, *token);
    }
    auto answer = answer_file(r, site_.index(), "no-cache");
    auto& h = answer.headers;
    h.set("Content-Security-Policy", site_.policy());
    h.set("Referrer-Policy", "no-referrer");
    h.set("X-Frame-Options", "DENY");
    h.set("Cross-Origin-Opener-Policy", "same-origin");
    h.set("Permissions-Policy", permissions);
    return answer;
}

// The one page that others may frame, sites that isolate themselves (COEP) too. It knows no
// session: the grant comes in the fragment, which no server sees.
net::response page_handler::embed(net::request& r) {
    auto answer = answer_file(r, site_.embed(), "no-cache");
    auto& h = answer.headers;
    h.set("Content-Security-Policy", site_.embed_policy());
    h.set("Cross-Origin-Resource-Policy", "cross-origin");
    h.set("Cross-Origin-Embedder-Policy", "require-corp");
    h.set("Referrer-Policy", "no-referrer");
    h.set("Permissions-Policy", permissions);
    return answer;
}

net::response page_handler::asset(net::request& r) {
    const auto* found = site_.asset(r.path);
    if (found == nullptr) {
        return net::problem(r, 404, "not_found", "there is no such file");
    }
    return answer_file(r, *found, "public, max-age=31536000, immutable");
}

}  // namespace vora::dashboard
