#include "services/dashboard/handlers/analytics_handler.hpp"

#include "libs/net/problem.hpp"
#include "services/dashboard/core/fake_event_store.hpp"
#include "services/dashboard/handlers/test_requests.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace vora::dashboard {
namespace {

class analytics_handler_test : public ::testing::Test {
 protected:
    analytics_handler_test() {
        store_.answer = analytics_report{};
        directory_.own = {"mine"};
        clock_.at = *from_rfc3339("2026-11-23T12:00:00Z");
    }
    net::response get(const std::string& path, fields query = {}, fields headers = {}) {
        return send(routes_, {"GET", path, std::move(headers), "", std::move(query)});
    }

    fake_clock clock_;
    fake_event_store store_;
    fake_video_directory directory_;
    analytics analytics_{store_, directory_, 4};
    auth::scope scope_ = auth::scope::admin;
    bool signed_in_ = true;
    analytics_handler handler_{
        analytics_,
        [this](const net::request& r) -> std::expected<auth::principal, net::response> {
            if (!signed_in_) {
                return std::unexpected(net::problem(r, 401, "token_missing", ""));
            }
            return auth::principal{"somebody", scope_, {}};
        },
        clock_};
    net::router routes_ = handler_.routes();
};

TEST_F(analytics_handler_test, the_answer_has_the_contracts_form) {
    auto& r = *store_.answer;
    r.plays = 3;
    r.viewers = 2;
    r.startup_ms = {400, 900};
    r.rebuffer_count = 1;
    r.average_bitrate = 2'400'000;
    r.errors = 4;
    r.parts[59] = {3, 7'500, 2'500, {400, 900}};
    const auto answer = get("/v1/analytics/videos/any");
    ASSERT_EQ(answer.status, 200);
    EXPECT_EQ(header(answer, "Cache-Control"), "no-store");
    const auto body = nlohmann::json::parse(answer.body);
    EXPECT_EQ(body["plays"], 3);
    EXPECT_EQ(body["viewers"], 2);
    EXPECT_EQ(body["watch_time_s"], 7.5);
    EXPECT_EQ(body["startup_ms"], nlohmann::json::parse(R"({"p50": 400, "p95": 900})"));
    EXPECT_EQ(body["rebuffer_count"], 1);
    EXPECT_EQ(body["rebuffer_ratio"], 0.25);
    EXPECT_EQ(body["average_bitrate"], 2'400'000);
    EXPECT_EQ(body["errors"], 4);
    ASSERT_EQ(body["series"].size(), 60u);
    EXPECT_EQ(body["series"][0],
              nlohmann::json::parse(
                  R"({"t": "2026-11-16T12:00:00.000Z", "plays": 0, "watch_time_s": 0.0})"));
    EXPECT_EQ(body["series"][59]["plays"], 3);
    EXPECT_EQ(body["quality"][59]["startup_ms"]["p95"], 900);
    EXPECT_EQ(body["quality"][59]["rebuffer_ratio"], 0.25);
}

TEST_F(analytics_handler_test, what_is_not_known_is_null) {
    const auto body = nlohmann::json::parse(get("/v1/analytics").body);
    EXPECT_TRUE(body["average_bitrate"].is_null());
    EXPECT_TRUE(body["startup_ms"]["p50"].is_null());
    EXPECT_EQ(body["rebuffer_ratio"], 0);
}

TEST_F(analytics_handler_test, times_are_taken_with_their_offset_escaped_or_not) {
    for (const auto* from : {"2026-11-20T02:00:00+02:00", "2026-11-20T02:00:00 02:00"}) {
        EXPECT_EQ(get("/v1/analytics", {{"from", from}, {"to", "2026-11-21T00:00:00Z"}}).status,
                  200);
        EXPECT_EQ(store_.asked_window.from, *from_rfc3339("2026-11-20T00:00:00Z"));
        EXPECT_EQ(store_.asked_window.until, *from_rfc3339("2026-11-21T00:00:00Z"));
    }
}

TEST_F(analytics_handler_test, a_bad_time_is_a_problem) {
    for (const auto* path : {"/v1/analytics", "/v1/analytics/videos/mine"}) {
        const auto answer = get(path, {{"from", "last week"}});
        EXPECT_EQ(answer.status, 400);
        EXPECT_EQ(header(answer, "Content-Type"), "application/problem+json");
        EXPECT_NE(answer.body.find("bad_time_range"), answer.body.npos);
    }
    EXPECT_EQ(store_.questions, 0);
}

TEST_F(analytics_handler_test, rights_are_asked_with_the_callers_own_token_or_session) {
    scope_ = auth::scope::view;
    EXPECT_EQ(get("/v1/analytics/videos/mine", {}, {{"Authorization", "Bearer abc"}}).status, 200);
    EXPECT_EQ(directory_.seen_token, "abc");
    EXPECT_EQ(get("/v1/analytics", {}, {{"Cookie", "vora_session=def"}}).status, 200);
    EXPECT_EQ(directory_.seen_token, "def");
    EXPECT_EQ(get("/v1/analytics/videos/other").status, 404);
    signed_in_ = false;
    EXPECT_EQ(get("/v1/analytics").status, 401);
    EXPECT_EQ(get("/v1/analytics/videos/mine").status, 401);
}

TEST_F(analytics_handler_test, an_absent_store_is_503_with_a_time_to_come_back) {
    store_.answer = fail(errc::unavailable, "analytics_unavailable");
    const auto answer = get("/v1/analytics/videos/mine");
    EXPECT_EQ(answer.status, 503);
    EXPECT_EQ(header(answer, "Retry-After"), "1");
    EXPECT_EQ(header(answer, "Content-Type"), "application/problem+json");
}

}  // namespace
}  // namespace vora::dashboard
