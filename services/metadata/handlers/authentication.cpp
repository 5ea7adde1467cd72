#include "services/metadata/handlers/authentication.hpp"

#include "libs/net/problem.hpp"

#include <algorithm>

namespace vora::metadata {

namespace {

constexpr std::string_view session_cookie = "vora_session";

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool same_host(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

bool changes_something(std::string_view method) {
    return method != "GET" && method != "HEAD" && method != "OPTIONS";
}

}  // namespace

std::string_view cookie_value(const net::headers& h, std::string_view name) {
    for (const auto& [field, value] : h.all()) {
        if (!same_host(field, "Cookie")) {
            continue;
        }
        std::string_view rest = value;
        while (!rest.empty()) {
            const auto end = rest.find(';');
            auto pair = rest.substr(0, end);
            rest = end == rest.npos ? std::string_view() : rest.substr(end + 1);
            pair.remove_prefix(std::min(pair.find_first_not_of(' '), pair.size()));
            if (pair.starts_with(name) && pair.substr(name.size()).starts_with('=')) {
                return pair.substr(name.size() + 1);
            }
        }
    }
    return {};
}

authenticator::authenticator(auth::token_verifier verifier, const clock_source& clock,
                             std::string api_base)
    : verifier_(std::move(verifier)), clock_(clock), api_base_(std::move(api_base)) {
    while (api_base_.ends_with('/')) {
        api_base_.pop_back();
    }
}

bool authenticator::is_same_site(const net::request& r) const {
    if (const auto origin = r.headers.get("Origin")) {
        const auto scheme = origin->find("://");
        const auto host = scheme == origin->npos ? std::string_view() : origin->substr(scheme + 3);
        return r.headers.count("Origin") == 1 &&
               ((!host.empty() && same_host(host, r.host)) ||
                (!api_base_.empty() && same_host(*origin, api_base_)));
    }
    return r.headers.get("Sec-Fetch-Site") == "same-origin";
}

std::expected<auth::principal, net::response> authenticator::authenticate(
    const net::request& r, auth::scope needed) const {
    const auto refuse = [&](int status, const std::string& code, const std::string& detail) {
        return std::unexpected(net::problem(r, status, code, detail));
    };
    std::string_view token;
    const auto header = r.headers.get("Authorization");
    if (header) {
        token = auth::bearer_token(*header);
        if (token.empty() || r.headers.count("Authorization") > 1) {
            return refuse(401, "token_malformed", "Authorization must be one \"Bearer TOKEN\"");
        }
    } else {
        token = cookie_value(r.headers, session_cookie);
    }
    if (token.empty()) {
        return refuse(401, "token_missing", "a token is needed");
    }
    auto who = verifier_.verify(token, clock_.now());
    if (!who) {
        return std::unexpected(net::problem(r, who.error()));
    }
    if (!header && changes_something(r.method) && !is_same_site(r)) {
        return refuse(403, "cross_site_request", "a session counts only on its own site");
    }
    if (!who->allows(needed)) {
        return refuse(403, "insufficient_scope",
                      "the scope " + std::string(auth::to_string(needed)) + " is needed");
    }
    return std::move(*who);
}

}  // namespace vora::metadata
