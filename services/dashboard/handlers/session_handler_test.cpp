#include "services/dashboard/handlers/session_handler.hpp"

#include "services/dashboard/handlers/cookies.hpp"
#include "services/dashboard/handlers/test_requests.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

namespace vora::dashboard {
namespace {

// An issuer with a key of its own in a directory that goes away with it.
struct issuer_in_directory {
    std::string directory = make_directory();
    auth::token_issuer issuer = *auth::token_issuer::load_or_create(directory + "/issuer.pem");

    ~issuer_in_directory() { std::filesystem::remove_all(directory); }

    static std::string make_directory() {
        auto name = (std::filesystem::temp_directory_path() / "vora-dashboard-XXXXXX").string();
        return mkdtemp(name.data());
    }
    auth::token_verifier verifier() const {
        auth::token_verifier v;
        EXPECT_TRUE(v.add_key(issuer.public_key_pem(), issuer.key_id()).has_value());
        return v;
    }
};

constexpr std::size_t attempts_per_minute = 5;
const std::pair<std::string, std::string> json = {"Content-Type", "application/json"};
const std::pair<std::string, std::string> own_origin = {"Origin", "http://127.0.0.1:8080"};

class session_handler_test : public ::testing::Test {
 protected:
    std::string token(auth::scope s = auth::scope::admin, seconds ttl = 1h) const {
        return keys_.issuer.mint("ada", s, clock_.now(), ttl);
    }
    net::response post_token(const std::string& text, fields headers = {json}) {
        return send(routes_,
                    {"POST", "/session", std::move(headers), "{\"token\":\"" + text + "\"}"});
    }
    net::response use_link(const std::string& text, fields headers = {}) {
        net::request r;
        r.method = "GET";
        r.peer = "127.0.0.1";
        r.scheme = "http";
        for (const auto& [name, value] : headers) {
            r.headers.add(name, value);
        }
        return sessions_.sign_in_by_link(r, text);
    }
    static std::string cookie_of(const net::response& r) {
        const auto set = header(r, "Set-Cookie");
        return set.substr(0, set.find(';'));
    }

    fake_clock clock_;
    issuer_in_directory keys_;
    obs::metrics metrics_;
    one_time_links links_{1h};
    attempt_limiter attempts_{attempts_per_minute};
    session_handler sessions_{links_, attempts_,     keys_.issuer, keys_.verifier(),
                              clock_, obs::logger(), metrics_,     {24h, ""}};
    net::router routes_ = sessions_.routes();
};

TEST_F(session_handler_test, a_link_signs_in_as_admin_and_leaves_the_address_bar) {
    const auto answer = use_link(links_.issue(clock_.now()));
    EXPECT_EQ(answer.status, 303);
    EXPECT_EQ(header(answer, "Location"), "/");
    EXPECT_EQ(header(answer, "Cache-Control"), "no-store");
    const auto set = header(answer, "Set-Cookie");
    for (const auto* part : {"; HttpOnly", "; SameSite=Strict", "; Path=/", "; Max-Age=86400"}) {
        EXPECT_NE(set.find(part), set.npos) << part;
    }
    EXPECT_EQ(set.find("Secure"), set.npos);
    const auto shown = send(routes_, {"GET", "/session", {{"Cookie", cookie_of(answer)}}});
    EXPECT_EQ(shown.status, 200);
    EXPECT_NE(shown.body.find("\"scope\":\"admin\""), shown.body.npos) << shown.body;
}

TEST_F(session_handler_test, a_used_or_wrong_link_signs_nobody_in) {
    const auto link = links_.issue(clock_.now());
    use_link(link);
    for (const auto& text : {link, std::string("wrong"), std::string()}) {
        const auto answer = use_link(text);
        EXPECT_EQ(header(answer, "Location"), "/?link=used");
        EXPECT_EQ(answer.headers.count("Set-Cookie"), 0u);
    }
}

TEST_F(session_handler_test, a_used_link_of_who_is_signed_in_leads_to_the_page) {
    const auto link = links_.issue(clock_.now());
    const auto cookie = cookie_of(use_link(link));
    EXPECT_EQ(header(use_link(link, {{"Cookie", cookie}}), "Location"), "/");
}

TEST_F(session_handler_test, the_cookie_is_secure_over_https) {
    const auto answer =
        send(routes_, {"POST", "/session", {json}, "{\"token\":\"" + token() + "\"}", {}, "https"});
    EXPECT_NE(header(answer, "Set-Cookie").find("; Secure"), std::string::npos);
}

TEST_F(session_handler_test, a_pasted_token_becomes_the_session_and_keeps_its_time) {
    const auto pasted = token(auth::scope::edit, 600s);
    const auto answer = post_token(pasted);
    EXPECT_EQ(answer.status, 204);
    EXPECT_EQ(cookie_of(answer), "vora_session=" + pasted);
    EXPECT_NE(header(answer, "Set-Cookie").find("; Max-Age=600;"), std::string::npos);
    const auto shown =
        send(routes_, {"GET", "/session", {{"Cookie", "a=b; " + cookie_of(answer)}}});
    EXPECT_NE(shown.body.find("\"subject\":\"ada\""), shown.body.npos);
    EXPECT_NE(shown.body.find("\"scope\":\"edit\""), shown.body.npos);
}

TEST_F(session_handler_test, a_session_is_never_longer_than_configured) {
    const auto answer = post_token(token(auth::scope::admin, 1000h));
    EXPECT_NE(header(answer, "Set-Cookie").find("; Max-Age=86400;"), std::string::npos);
}

TEST_F(session_handler_test, a_token_that_is_not_ours_or_expired_is_refused) {
    const issuer_in_directory stranger;
    EXPECT_EQ(post_token(stranger.issuer.mint("ada", auth::scope::admin, clock_.now(), 1h)).status,
              401);
    const auto expired = token(auth::scope::admin, 10s);
    clock_.at += 2h;
    const auto answer = post_token(expired);
    EXPECT_EQ(answer.status, 401);
    EXPECT_EQ(answer.headers.count("Set-Cookie"), 0u);
}

TEST_F(session_handler_test, bodies_that_are_something_else_are_refused) {
    for (const auto* body : {"", "{", "[]", "{\"token\":1}", "{\"token\":\"\"}", "\"x\""}) {
        EXPECT_EQ(send(routes_, {"POST", "/session", {json}, body}).status, 400) << body;
    }
    EXPECT_EQ(send(routes_, {"POST", "/session", {{"Content-Type", "text/plain"}}, "{}"}).status,
              415);
    EXPECT_EQ(send(routes_, {"POST", "/session", {json}, std::string(9000, 'x')}).status, 413);
}

TEST_F(session_handler_test, guessing_is_slowed_down_and_the_wait_is_said) {
    for (std::size_t i = 0; i < attempts_per_minute; ++i) {
        EXPECT_EQ(post_token("wrong").status, 401);
    }
    const auto answer = post_token(token());
    EXPECT_EQ(answer.status, 429);
    EXPECT_EQ(header(answer, "Retry-After"), "12");
    EXPECT_EQ(header(use_link(links_.issue(clock_.now())), "Location"), "/?link=limited");
    clock_.at += 12s;
    EXPECT_EQ(post_token(token()).status, 204);
}

TEST_F(session_handler_test, a_foreign_page_cannot_sign_a_browser_in) {
    for (const auto& foreign : fields{{"Origin", "https://elsewhere.example"},
                                      {"Origin", "null"},
                                      {"Origin", "http://127.0.0.1:8080.elsewhere.example"},
                                      {"Sec-Fetch-Site", "cross-site"},
                                      {"Sec-Fetch-Site", "same-site"}}) {
        EXPECT_EQ(post_token(token(), {json, foreign}).status, 403) << foreign.second;
    }
    EXPECT_EQ(post_token(token(), {json, own_origin}).status, 204);
}

TEST_F(session_handler_test, signing_out_clears_the_cookie_but_not_on_behalf_of_others) {
    const std::pair<std::string, std::string> cookie = {"Cookie", "vora_session=" + token()};
    EXPECT_EQ(send(routes_, {"DELETE", "/session", {cookie}}).status, 403);
    EXPECT_EQ(
        send(routes_, {"DELETE", "/session", {cookie, {"Origin", "https://x.example"}}}).status,
        403);
    const auto answer = send(routes_, {"DELETE", "/session", {cookie, own_origin}});
    EXPECT_EQ(answer.status, 204);
    EXPECT_NE(header(answer, "Set-Cookie").find("vora_session=; Max-Age=0"), std::string::npos);
}

TEST_F(session_handler_test, without_a_session_there_is_nobody_to_show) {
    EXPECT_EQ(send(routes_, {"GET", "/session"}).status, 401);
    EXPECT_EQ(send(routes_, {"GET", "/session", {{"Cookie", "vora_session=x"}}}).status, 401);
    EXPECT_EQ(
        send(routes_, {"GET", "/session", {{"Cookie", "not_vora_session=" + token()}}}).status,
        401);
}

TEST_F(session_handler_test, links_are_made_for_admins_only) {
    const auto with = [&](const fields& headers) {
        return send(routes_, {"POST", "/session/links", headers});
    };
    const auto bearer = [&](auth::scope s) {
        return fields{{"Authorization", "Bearer " + token(s)}};
    };
    EXPECT_EQ(with({}).status, 401);
    EXPECT_EQ(with(bearer(auth::scope::view)).status, 403);
    EXPECT_EQ(with(bearer(auth::scope::edit)).status, 403);
    const std::pair<std::string, std::string> cookie = {"Cookie", "vora_session=" + token()};
    EXPECT_EQ(with({cookie}).status, 403);
    EXPECT_EQ(with({cookie, own_origin}).status, 201);
    const auto made = with(bearer(auth::scope::admin));
    EXPECT_EQ(made.status, 201);
    const auto start = made.body.find("/?token=") + 8;
    const auto link = made.body.substr(start, made.body.find('"', start) - start);
    EXPECT_EQ(header(use_link(link), "Location"), "/");
}

}  // namespace
}  // namespace vora::dashboard
