#include "services/dashboard/handlers/session_handler.hpp"

#include "libs/net/browser.hpp"
#include "libs/net/problem.hpp"
#include "services/dashboard/handlers/cookies.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace vora::dashboard {

namespace {

constexpr std::size_t body_bytes_max = 8 * 1024;
constexpr std::string_view by_link = "link";
constexpr std::string_view by_token = "token";

net::response redirect(std::string_view where) {
    auto answer = net::response::empty(303);
    answer.headers.set("Location", where);
    answer.headers.set("Cache-Control", "no-store");
    answer.headers.set("Referrer-Policy", "no-referrer");
    return answer;
}

net::response unstored(net::response answer) {
    answer.headers.set("Cache-Control", "no-store");
    return answer;
}

bool is_json(const net::request& r) {
    const auto type = r.headers.get("Content-Type").value_or("");
    return type.substr(0, type.find_first_of("; ")) == "application/json";
}

// The token of {"token": "..."}; empty when the body is something else.
std::string token_of(const std::string& body) {
    const auto parsed = nlohmann::json::parse(body, nullptr, false);
    if (!parsed.is_object() || !parsed.contains("token") || !parsed["token"].is_string()) {
        return {};
    }
    return parsed["token"].get<std::string>();
}

}  // namespace

session_handler::session_handler(one_time_links& links, attempt_limiter& attempts,
                                 const auth::token_issuer& issuer, auth::token_verifier verifier,
                                 const clock_source& clock, obs::logger log, obs::metrics& metrics,
                                 options o)
    : links_(links),
      attempts_(attempts),
      issuer_(issuer),
      verifier_(std::move(verifier)),
      clock_(clock),
      log_(std::move(log)),
      metrics_(metrics),
      options_(std::move(o)) {}

net::router session_handler::routes() {
    net::router routes;
    const net::route_options no_body{.body_bytes_max = 0};
    const net::route_options small{.body_bytes_max = body_bytes_max};
    routes.add(
        "GET", "/session", [this](net::request& r) -> task<net::response> { co_return show(r); },
        no_body);
    routes.add("POST", "/session", [this](net::request& r) { return sign_in_by_token(r); }, small);
    routes.add(
        "DELETE", "/session",
        [this](net::request& r) -> task<net::response> { co_return sign_out(r); }, small);
    routes.add(
        "POST", "/session/links",
        [this](net::request& r) -> task<net::response> { co_return make_link(r); }, small);
    return routes;
}

net::response session_handler::sign_in_by_link(net::request& r, std::string_view token) {
    const auto now = clock_.now();
    const bool signed_in = caller(r, false).has_value();
    if (limited(r, by_link)) {
        return redirect(signed_in ? "/" : "/?link=limited");
    }
    if (!links_.redeem(token, now)) {
        refused(r, by_link, "link_unknown");
        return redirect(signed_in ? "/" : "/?link=used");
    }
    const auto session = issuer_.mint("admin", auth::scope::admin, now, options_.session_ttl);
    auto answer = redirect("/");
    answer.headers.set("Set-Cookie", make_cookie(r, session, options_.session_ttl));
    count(by_link, "ok");
    log_.info("signed_in", {{"how", by_link}, {"subject", "admin"}, {"peer", r.peer}});
    return answer;
}

task<net::response> session_handler::sign_in_by_token(net::request& r) {
    // No cookie is needed for this, so a foreign page could try: it must not sign people in
    // unasked.
    if (net::origin_of(r, options_.api_base) == net::request_origin::foreign) {
        co_return net::problem(r, 403, "cross_site_request", "sign in on Vora's own page");
    }
    if (!is_json(r)) {
        co_return net::problem(r, 415, "unsupported_media_type", "application/json is expected");
    }
    auto body = co_await net::read_all(*r.body, body_bytes_max);
    if (!body) {
        co_return net::problem(r, body.error());
    }
    const auto token = token_of(*body);
    if (token.empty()) {
        co_return net::problem(r, 400, "bad_request", "{\"token\": \"...\"} is expected");
    }
    if (auto wait = limited(r, by_token)) {
        co_return std::move(*wait);
    }
    const auto now = clock_.now();
    const auto who = verifier_.verify(token, now);
    if (!who) {
        refused(r, by_token, who.error().reason);
        co_return net::problem(r, who.error());
    }
    const auto left = std::chrono::duration_cast<seconds>(who->expires - now);
    auto answer = unstored(net::response::empty(204));
    answer.headers.set("Set-Cookie", make_cookie(r, token, std::min(left, options_.session_ttl)));
    count(by_token, "ok");
    log_.info("signed_in", {{"how", by_token}, {"subject", who->subject}, {"peer", r.peer}});
    co_return answer;
}

net::response session_handler::show(net::request& r) {
    auto who = caller(r, false);
    if (!who) {
        return std::move(who.error());
    }
    const nlohmann::json body{{"subject", who->subject},
                              {"scope", auth::to_string(who->scope)},
                              {"expires_at", to_rfc3339(who->expires)}};
    return unstored(net::response::json(200, body.dump()));
}

net::response session_handler::sign_out(net::request& r) {
    if (net::origin_of(r, options_.api_base) != net::request_origin::own &&
        !net::cookie_value(r.headers, auth::session_cookie).empty()) {
        return net::problem(r, 403, "cross_site_request", "sign out on Vora's own page");
    }
    auto answer = unstored(net::response::empty(204));
    answer.headers.set("Set-Cookie", clear_cookie(r));
    return answer;
}

net::response session_handler::make_link(net::request& r) {
    auto who = caller(r, true);
    if (!who) {
        return std::move(who.error());
    }
    if (!who->allows(auth::scope::admin)) {
        return net::problem(r, 403, "insufficient_scope", "the scope admin is needed");
    }
    const auto now = clock_.now();
    const nlohmann::json body{{"url", "/?token=" + links_.issue(now)},
                              {"expires_at", to_rfc3339(now + links_.ttl())}};
    log_.info("link_made", {{"subject", who->subject}, {"peer", r.peer}});
    return unstored(net::response::json(201, body.dump()));
}

std::expected<auth::principal, net::response> session_handler::caller(const net::request& r,
                                                                      bool changes) const {
    const auto header = r.headers.get("Authorization");
    const auto token =
        header ? auth::bearer_token(*header) : net::cookie_value(r.headers, auth::session_cookie);
    if (r.headers.count("Authorization") > 1 || (header && token.empty())) {
        return std::unexpected(
            net::problem(r, 401, "token_malformed", "Authorization must be one \"Bearer TOKEN\""));
    }
    if (token.empty()) {
        return std::unexpected(net::problem(r, 401, "token_missing", "nobody is signed in"));
    }
    auto who = verifier_.verify(token, clock_.now());
    if (!who) {
        return std::unexpected(net::problem(r, who.error()));
    }
    if (!header && changes && net::origin_of(r, options_.api_base) != net::request_origin::own) {
        return std::unexpected(
            net::problem(r, 403, "cross_site_request", "a session counts only on its own site"));
    }
    return std::move(*who);
}

std::optional<net::response> session_handler::limited(const net::request& r, std::string_view how) {
    const auto wait = attempts_.wait_of(r.peer, clock_.now());
    if (wait.count() == 0) {
        return std::nullopt;
    }
    count(how, "limited");
    auto answer = net::problem(r, 429, "too_many_attempts", "too many refused sign-ins");
    answer.headers.set("Retry-After", std::to_string(wait.count()));
    return answer;
}

void session_handler::refused(const net::request& r, std::string_view how,
                              const std::string& reason) {
    attempts_.count_refusal(r.peer, clock_.now());
    count(how, "refused");
    log_.warn("sign_in_refused", {{"how", how}, {"reason", reason}, {"peer", r.peer}});
}

void session_handler::count(std::string_view how, std::string_view outcome) {
    metrics_
        .counter("vora_dashboard_sign_ins_total", "attempts to sign in",
                 {{"how", std::string(how)}, {"outcome", std::string(outcome)}})
        .add();
}

}  // namespace vora::dashboard
