#include "services/gateway/adapters/http_change_listener.hpp"

#include "libs/net/server.hpp"
#include "services/gateway/testing/fakes.hpp"

#include <gtest/gtest.h>

#include <functional>

namespace vora::gateway::testing {
namespace {

const std::string video = "6d4d9c5e-4c0f-4a86-9f0c-3f3f3b7a2f10";

std::string told(const std::string& epoch, int last, bool missed, const std::string& ids = "") {
    return R"({"epoch":")" + epoch + R"(","last":)" + std::to_string(last) + R"(,"missed":)" +
           (missed ? "true" : "false") + R"(,"videos":[)" + ids + "]}";
}

struct listening : ::testing::Test {
    listening() {
        source.videos[video] = {video, true, true, video + "/", {}};
        net::router routes;
        routes.add("GET", "/internal/playback/changes",
                   [this](net::request& r) { return answer(r); });
        server = std::make_unique<net::server>(loop.executor(), net::server_options{},
                                               std::move(routes), obs::logger(), metrics);
        EXPECT_TRUE(server->start());
        listener = std::make_unique<http_change_listener>(
            loop.executor(),
            http_change_listener::options{"http://" + server->address(), "secret", 30s, 5s, {}},
            cache, obs::logger(), metrics);
        listener->start();
    }
    ~listening() override {
        closing = true;
        wanted.notify();
        loop.run_until_done(listener->stop());
        loop.run_until_done(server->stop());
        loop.run_until_done(cache.stop());
    }
    // Answers what the test has laid out; waits for it like metadata does.
    task<net::response> answer(net::request& r) {
        EXPECT_EQ(r.headers.get("Authorization"), "Bearer secret");
        asked.push_back(std::string(*r.query_value("epoch")) + " " +
                        std::string(*r.query_value("after")) + " " +
                        std::string(*r.query_value("wait_s")));
        while (answers.empty() && !closing) {
            co_await wanted.wait(60s);
        }
        if (closing) {
            co_return net::response::empty(503);
        }
        auto next = answers.front();
        answers.erase(answers.begin());
        co_return net::response::json(next.starts_with('{') ? 200 : 500, next);
    }
    void tell(const std::string& body) {
        answers.push_back(body);
        wanted.notify();
    }
    void until(std::function<bool()> true_now) {
        const auto poll = [](std::function<bool()> f) -> task<> {
            const auto deadline = std::chrono::steady_clock::now() + 20s;
            while (!f() && std::chrono::steady_clock::now() < deadline) {
                co_await sleep_for(1ms);
            }
        };
        loop.run_until_done(poll(true_now));
        EXPECT_TRUE(true_now());
    }
    // Questions to metadata that a viewer now costs.
    int cost() {
        const int before = source.asked;
        clock.advance(2s);
        EXPECT_TRUE(loop.run_until_done(cache.find(video, false)));
        return source.asked - before;
    }

    event_loop loop;
    obs::metrics metrics;
    fake_clock clock;
    fake_source source{loop.executor()};
    playback_cache cache{loop.executor(), source, clock, {}};
    wake_signal wanted{loop.executor()};
    std::vector<std::string> answers;
    std::vector<std::string> asked;
    bool closing = false;
    std::unique_ptr<net::server> server;
    std::unique_ptr<http_change_listener> listener;
};

TEST_F(listening, learns_its_place_and_goes_on_from_there) {
    cost();
    tell(told("e1", 7, true));
    until([&] { return asked.size() == 2; });
    EXPECT_EQ(asked, (std::vector<std::string>{" 0 0", "e1 7 30"}));
    EXPECT_EQ(cost(), 1) << "what was known before may have changed unheard";
    EXPECT_EQ(cost(), 0) << "from now on each change is told";
    tell(told("e1", 8, false, '"' + video + '"'));
    until([&] { return asked.size() == 3; });
    EXPECT_EQ(asked.back(), "e1 8 30");
    EXPECT_EQ(cost(), 1);
    EXPECT_EQ(cost(), 0);
}

TEST_F(listening, asks_for_itself_while_nobody_tells_and_goes_on_where_it_was) {
    tell(told("e1", 7, true));
    until([&] { return asked.size() == 2; });
    cost();
    tell("no");
    until([&] { return asked.size() == 3; });
    EXPECT_EQ(asked.back(), "e1 7 0") << "the next answer is wanted at once";
    EXPECT_EQ(cost(), 1);
    EXPECT_EQ(cost(), 1);
    tell(told("e1", 7, false));
    until([&] { return asked.size() == 4; });
    EXPECT_EQ(cost(), 0) << "nothing was missed";
}

TEST_F(listening, another_life_of_metadata_means_that_anything_may_have_changed) {
    tell(told("e1", 7, true));
    until([&] { return asked.size() == 2; });
    cost();
    tell(told("e2", 7, false));
    until([&] { return asked.size() == 3; });
    EXPECT_EQ(cost(), 1);
    EXPECT_EQ(cost(), 0);
}

TEST(parse_changes_answer, takes_what_is_in_the_contract_only) {
    EXPECT_TRUE(parse_changes_answer(told("e", 1, false)));
    EXPECT_EQ(parse_changes_answer(told("e", 1, false, '"' + video + '"'))->videos.size(), 1u);
    for (const std::string bad :
         {"", "[]", "{}", R"({"epoch":"","last":1,"missed":false,"videos":[]})",
          R"({"epoch":"e","last":-1,"missed":false,"videos":"x"})",
          R"({"epoch":"e","last":1,"missed":false,"videos":["x"]})",
          R"({"epoch":"e","last":1,"missed":0,"videos":[]})"}) {
        EXPECT_FALSE(parse_changes_answer(bad)) << bad;
    }
}

}  // namespace
}  // namespace vora::gateway::testing
