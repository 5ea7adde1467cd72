#include "libs/net/client.hpp"
#include "libs/net/server.hpp"
#include "services/dashboard/adapters/clickhouse_event_store.hpp"
#include "services/dashboard/adapters/http_video_directory.hpp"

#include <gtest/gtest.h>

#include <optional>

namespace vora::dashboard {
namespace {

constexpr auto id = "0b9bd3f4-94cf-4f49-9e05-6f5a3dbd0a55";

// The one row for sessions of which one played 2 s at 1 Mbit/s and 1 s at 4 Mbit/s.
std::string row() {
    std::string nothing;
    for (int i = 1; i < 60; ++i) {
        nothing += ",[null,0]";
    }
    return "[3,2,[400,900.5],1,0,6000000000,3000,2500000,[[0,59],[2,1]],[[0,59],[1000,2000]],"
           "[[59],[500]],[[400,900]" +
           nothing + "]]\n";
}

TEST(figures, are_read_from_the_answers_one_row) {
    const auto r = parse_figures(row());
    ASSERT_TRUE(r) << r.error().detail;
    EXPECT_EQ(r->plays, 3u);
    EXPECT_EQ(r->viewers, 2u);
    EXPECT_EQ(r->startup_ms.p95, 900.5);
    EXPECT_EQ(r->rebuffer_count, 1u);
    EXPECT_EQ(r->average_bitrate, 2'000'000);
    EXPECT_EQ(r->parts[59].plays, 1u);
    EXPECT_EQ(r->watch_ms(), 3000);
    EXPECT_EQ(r->stalled_ms(), 500);
    EXPECT_EQ(r->parts[0].startup_ms.p50, 400);
    EXPECT_FALSE(r->parts[7].startup_ms.p50.has_value());
    EXPECT_FALSE(r->parts[7].startup_ms.p95.has_value());
}

TEST(figures, of_another_form_are_an_error) {
    auto far = row();
    far.replace(far.find("[0,59],[2"), 6, "[0,60]");
    for (const auto& text : {std::string(), std::string("[]"), std::string("{}"),
                             std::string("[1,2,3]"), row().substr(0, 40), far}) {
        const auto r = parse_figures(text);
        ASSERT_FALSE(r) << text;
        EXPECT_EQ(r.error().reason, "bad_figures");
    }
}

TEST(listings, are_read_as_the_api_writes_them) {
    const auto own = parse_listing(R"({"videos": [{"id": ")" + std::string(id) + R"("}]})");
    ASSERT_TRUE(own);
    EXPECT_EQ(own->ids, std::vector<std::string>{id});
    EXPECT_FALSE(own->partial);
    EXPECT_TRUE(parse_listing(R"({"videos": [], "next_page_token": "x"})")->partial);
    for (const auto* text : {"", "[]", "{}", R"({"videos": 1})", R"({"videos": [1]})",
                             R"({"videos": [{"id": 1}]})", R"({"videos": [{"id": "x') OR 1"}]})"}) {
        EXPECT_FALSE(parse_listing(text)) << text;
    }
}

// An engine and an API behind one real listener.
class dashboard_adapters_test : public ::testing::Test {
 protected:
    dashboard_adapters_test() {
        net::router routes;
        routes.add("POST", "/", [this](net::request& r) { return engine(r); });
        routes.add("GET", "/v1/videos/{id}", [this](net::request& r) -> task<net::response> {
            token_ = r.headers.get("Authorization").value_or("");
            co_return net::response::json(api_status_, "{}");
        });
        routes.add("GET", "/v1/videos", [this](net::request&) -> task<net::response> {
            co_return net::response::json(api_status_, R"({"videos": []})");
        });
        server_.set_routes(std::move(routes));
        EXPECT_TRUE(server_.start().has_value());
    }
    ~dashboard_adapters_test() override { loop_.run_until_done(stop()); }
    task<> stop() {
        http_.close();
        co_await server_.stop();
    }
    task<net::response> engine(net::request& r) {
        parameters_ = r.query;
        auto body = co_await net::read_all(*r.body, 1 << 20);
        sql_ = body.value_or("");
        auto answer = net::response::text(engine_status_, engine_status_ == 200 ? row() : "no");
        if (exception_code_ != 0) {
            answer.headers.set("X-ClickHouse-Exception-Code", std::to_string(exception_code_));
        }
        co_return answer;
    }
    static net::server_options options() {
        net::server_options o;
        o.name = "test";
        return o;
    }
    std::string parameter(std::string_view name) const {
        for (const auto& [n, value] : parameters_) {
            if (n == name) {
                return value;
            }
        }
        return "absent";
    }
    result<analytics_report> figures(video_selection videos) {
        return loop_.run_until_done(store_.figures(
            std::move(videos),
            {from_unix_ms(1'000'000), from_unix_ms(1'600'000), from_unix_ms(1'900'000)}));
    }
    std::optional<clickhouse::endpoint> where() const {
        if (engine_gone_) {
            return std::nullopt;
        }
        clickhouse::endpoint here;
        here.url = "http://" + server_.address();
        return here;
    }

    event_loop loop_;
    obs::metrics metrics_;
    net::server server_{loop_.executor(), options(), {}, obs::logger(), metrics_};
    net::client http_{loop_.executor()};
    clickhouse::client engine_client_{http_, [this] { return where(); }};
    clickhouse_event_store store_{engine_client_, 1'000ms, obs::logger(), metrics_};
    std::vector<std::pair<std::string, std::string>> parameters_;
    std::string sql_;
    std::string token_;
    int engine_status_ = 200;
    int exception_code_ = 0;
    int api_status_ = 200;
    bool engine_gone_ = false;
};

TEST_F(dashboard_adapters_test, what_is_asked_travels_as_parameters_never_as_text) {
    const std::string hostile = "x' OR 1 --";
    ASSERT_TRUE(figures({std::vector{hostile}}));
    EXPECT_EQ(parameter("param_video"), hostile);
    EXPECT_EQ(sql_.find(hostile), sql_.npos);
    EXPECT_EQ(parameter("param_from"), "1000000");
    EXPECT_EQ(parameter("param_until"), "1900000");
    EXPECT_EQ(parameter("param_span"), "600000");
    ASSERT_TRUE(figures({std::vector<std::string>{"a", "b"}}));
    EXPECT_EQ(parameter("param_videos"), "a.b");
    ASSERT_TRUE(figures({}));
    EXPECT_EQ(sql_.find("video_id IN"), sql_.npos);
    EXPECT_EQ(parameter("param_videos"), "absent");
}

TEST_F(dashboard_adapters_test, a_page_of_ids_fits_into_a_question) {
    EXPECT_TRUE(figures({std::vector<std::string>(200, id)}));
}

TEST_F(dashboard_adapters_test, an_engine_that_is_away_or_refuses_is_unavailable) {
    engine_status_ = 404;
    EXPECT_EQ(figures({}).error().reason, "analytics_unavailable");
    engine_gone_ = true;
    EXPECT_EQ(figures({}).error().code, errc::unavailable);
}

TEST_F(dashboard_adapters_test, before_the_first_event_there_is_no_table_and_nothing_was_played) {
    engine_status_ = 404;
    for (const int code : {60, 81}) {
        exception_code_ = code;
        const auto r = figures({});
        ASSERT_TRUE(r) << code;
        EXPECT_EQ(r->plays, 0u);
    }
    exception_code_ = 47;
    EXPECT_FALSE(figures({}));
}

TEST_F(dashboard_adapters_test, rights_are_asked_of_the_api) {
    http_video_directory directory(http_, "http://" + server_.address(), 1'000ms);
    const auto check = [&](const std::string& video) {
        return loop_.run_until_done(directory.check(video, "abc"));
    };
    EXPECT_TRUE(check(id));
    EXPECT_EQ(token_, "Bearer abc");
    const std::pair<int, errc> table[] = {{404, errc::not_found},
                                          {401, errc::unauthenticated},
                                          {403, errc::permission_denied},
                                          {500, errc::unavailable},
                                          {503, errc::unavailable}};
    for (const auto& [status, code] : table) {
        api_status_ = status;
        EXPECT_EQ(check(id).error().code, code) << status;
    }
    api_status_ = 200;
    EXPECT_EQ(check("../videos?").error().code, errc::not_found);
    EXPECT_TRUE(loop_.run_until_done(directory.videos_of("abc")));
}

}  // namespace
}  // namespace vora::dashboard
