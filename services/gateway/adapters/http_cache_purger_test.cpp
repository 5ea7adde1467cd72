#include "services/gateway/adapters/http_cache_purger.hpp"

#include "libs/net/server.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>

namespace vora::gateway::testing {
namespace {

using strings = std::vector<std::string>;

// Caches of a few lines that write down what they are told.
struct cache_purger : ::testing::Test {
    struct fake_cache {
        std::unique_ptr<net::server> server;
        strings told;
        strings secrets;
        int refuse = 0;  // so many requests
    };

    ~cache_purger() override {
        if (purger) {
            loop.run_until_done(purger->stop());
        }
        for (auto& c : caches) {
            loop.run_until_done(c->server->stop());
        }
    }
    fake_cache& add_cache() {
        auto& c = *caches.emplace_back(std::make_unique<fake_cache>());
        net::router routes;
        routes.add("POST", "/", [&c](net::request& r) -> task<net::response> {
            if (c.refuse > 0) {
                --c.refuse;
                co_return net::response::empty(503);
            }
            c.told.push_back(std::string(r.headers.get("Vora-Purge").value_or("")));
            c.secrets.push_back(std::string(r.headers.get("Vora-Purge-Secret").value_or("")));
            co_return net::response::text(200, "done", "text/plain");
        });
        c.server = std::make_unique<net::server>(loop.executor(), net::server_options{},
                                                 std::move(routes), obs::logger(), metrics);
        EXPECT_TRUE(c.server->start());
        options_.urls.push_back("http://" + c.server->address());
        return c;
    }
    void start() {
        options_.method = "POST";  // our server knows no PURGE: tests/e2e/test_varnish.py has that
        purger =
            std::make_unique<http_cache_purger>(loop.executor(), options_, obs::logger(), metrics);
        purger->start();
    }
    void until(std::function<bool()> true_now) {
        const auto poll = [](std::function<bool()> f) -> task<> {
            const auto deadline = std::chrono::steady_clock::now() + 60s;
            while (!f() && std::chrono::steady_clock::now() < deadline) {
                co_await sleep_for(1ms);
            }
        };
        loop.run_until_done(poll(true_now));
        EXPECT_TRUE(true_now());
    }

    event_loop loop;
    obs::metrics metrics;
    http_cache_purger::options options_{{}, "a secret of caches", "PURGE", 30s, 10ms, 10'000};
    std::vector<std::unique_ptr<fake_cache>> caches;
    std::unique_ptr<http_cache_purger> purger;
};

TEST_F(cache_purger, tells_every_cache_twice_which_videos_have_changed) {
    auto& one = add_cache();
    auto& two = add_cache();
    start();
    purger->purge({"a", "b"});
    until([&] { return one.told.size() >= 2 && two.told.size() >= 2; });
    EXPECT_EQ(one.told, (strings{"v:a v:b", "v:a v:b"}));
    EXPECT_EQ(two.told, one.told);
    EXPECT_EQ(one.secrets[0], "a secret of caches");
}

TEST_F(cache_purger, sends_again_what_was_not_acknowledged) {
    auto& c = add_cache();
    c.refuse = 3;
    options_.again_after = 1h;
    start();
    purger->purge({"a"});
    until([&] { return c.told.size() == 1; });
    EXPECT_EQ(c.told, strings{"v:a"});
}

TEST_F(cache_purger, a_cache_that_is_away_holds_up_no_other) {
    options_.urls.push_back("http://127.0.0.1:1");
    auto& c = add_cache();
    start();
    purger->purge({"a"});
    until([&] { return !c.told.empty(); });
    EXPECT_EQ(c.told[0], "v:a");
}

TEST_F(cache_purger, everything_is_one_key_that_stands_for_all_others) {
    auto& c = add_cache();
    options_.again_after = 1h;
    start();
    purger->purge({"a"});
    purger->purge_all();
    until([&] { return !c.told.empty(); });
    EXPECT_EQ(c.told[0], "vora");
}

TEST_F(cache_purger, more_than_it_may_hold_becomes_everything) {
    auto& c = add_cache();
    options_.again_after = 1h;
    options_.pending_max = 2;
    start();
    purger->purge({"a", "b", "c"});
    until([&] { return !c.told.empty(); });
    EXPECT_EQ(c.told[0], "vora");
}

TEST_F(cache_purger, many_keys_go_in_requests_of_bounded_size) {
    auto& c = add_cache();
    options_.again_after = 1h;
    start();
    strings videos;
    for (int i = 0; i < 120; ++i) {
        videos.push_back(std::to_string(i));
    }
    purger->purge(videos);
    until([&] { return c.told.size() == 3; });
    for (const auto& keys : c.told) {
        EXPECT_LE(std::ranges::count(keys, ' '), 49);
    }
}

TEST(purge_urls, are_split_at_commas) {
    EXPECT_EQ(split_purge_urls(" http://a:1/, http://b:2 ,,"),
              (strings{"http://a:1", "http://b:2"}));
    EXPECT_TRUE(split_purge_urls(" ").empty());
}

}  // namespace
}  // namespace vora::gateway::testing
