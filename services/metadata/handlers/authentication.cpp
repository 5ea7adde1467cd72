#include "services/metadata/handlers/authentication.hpp"

#include "libs/net/browser.hpp"
#include "libs/net/problem.hpp"

namespace vora::metadata {

namespace {

bool changes_something(std::string_view method) {
    return method != "GET" && method != "HEAD" && method != "OPTIONS";
}

}  // namespace

authenticator::authenticator(auth::token_verifier verifier, const clock_source& clock,
                             std::string api_base)
    : verifier_(std::move(verifier)), clock_(clock), api_base_(std::move(api_base)) {
    while (api_base_.ends_with('/')) {
        api_base_.pop_back();
    }
}

task<result<auth::principal>> authenticator::authenticate(std::string token,
                                                          auth::scope needed) const {
    if (token.empty()) {
        co_return fail(errc::unauthenticated, "token_missing", "a token is needed");
    }
    auto who = co_await verifier_.check(std::move(token), clock_.now());
    if (who && !who->allows(needed)) {
        co_return fail(errc::permission_denied, "insufficient_scope",
                       "the scope " + std::string(auth::to_string(needed)) + " is needed");
    }
    co_return who;
}

task<std::expected<auth::principal, net::response>> authenticator::authenticate(
    const net::request& r, auth::scope needed) const {
    const auto refuse = [&](int status, const std::string& code, const std::string& detail) {
        return std::unexpected(net::problem(r, status, code, detail));
    };
    std::string_view token;
    const auto header = r.headers.get("Authorization");
    if (header) {
        token = auth::bearer_token(*header);
        if (token.empty() || r.headers.count("Authorization") > 1) {
            co_return refuse(401, "token_malformed", "Authorization must be one \"Bearer TOKEN\"");
        }
    } else {
        token = net::cookie_value(r.headers, auth::session_cookie);
    }
    auto who = co_await authenticate(std::string(token), needed);
    if (!who && who.error().code == errc::unauthenticated) {
        co_return std::unexpected(net::problem(r, who.error()));
    }
    if (!header && changes_something(r.method) &&
        net::origin_of(r, api_base_) != net::request_origin::own) {
        co_return refuse(403, "cross_site_request", "a session counts only on its own site");
    }
    if (!who) {
        co_return std::unexpected(net::problem(r, who.error()));
    }
    co_return std::move(*who);
}

}  // namespace vora::metadata
