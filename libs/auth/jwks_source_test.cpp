#include "libs/auth/jwks_source.hpp"

#include "libs/auth/testing/signers.hpp"

#include <gtest/gtest.h>

namespace vora::auth {
namespace {

using testing::key_set_of;
using testing::signer;

// A JWKS URL that says what it is told to, and counts.
struct jwks_url : ::testing::Test {
    event_loop loop;
    std::string text = key_set_of({signer::ed25519().jwk(R"("kid":"a")")});
    std::optional<std::chrono::seconds> max_age;
    bool down = false;
    int fetches = 0;
    std::vector<std::string> heard;
    wake_signal gate{loop.executor()};
    bool held = false;
    std::unique_ptr<jwks_source> source;

    void start(jwks_options o) {
        source = std::make_unique<jwks_source>(
            loop.executor(), issuer_rules{}, [this] { return fetch(); },
            [this](const result<std::size_t>& r) {
                heard.push_back(r ? std::to_string(*r) : r.error().reason);
            },
            o);
        source->start();
    }
    task<result<jwks_document>> fetch() {
        ++fetches;
        co_await sleep_for(1ms);
        if (held) {
            co_await gate.wait(10s);
        }
        if (down) {
            co_return fail(errc::unavailable, "connect_failed");
        }
        co_return jwks_document{text, max_age};
    }
    void ask(int times = 1) {
        for (int i = 0; i < times; ++i) {
            loop.run_until_done(refresh());
        }
    }
    task<int> refresh() {
        co_await source->refresh();
        co_return 0;
    }
    task<int> stopped() {
        co_await source->stop();
        co_return 0;
    }
    static task<int> pause() {
        co_await sleep_for(2ms);
        co_return 0;
    }
    bool has(const std::string& kid) { return source->keys()->contains(kid); }
    void TearDown() override {
        if (source) {
            loop.run_until_done(stopped());
        }
    }
};

jwks_options quick() {
    jwks_options o;
    o.refresh_min = 0ms;
    return o;
}

TEST_F(jwks_url, the_first_fetch_is_made_at_start_and_those_who_ask_meanwhile_wait_for_it) {
    start({});
    EXPECT_TRUE(source->keys()->empty());
    ask();
    EXPECT_TRUE(has("a"));
    EXPECT_EQ(fetches, 1);
    EXPECT_EQ(heard, std::vector<std::string>{"1"});
}

TEST_F(jwks_url, many_unknown_keys_make_one_fetch_a_minute) {
    start({});
    ask(100);
    EXPECT_EQ(fetches, 2) << "at start, and for the first that asked after it";
}

TEST_F(jwks_url, a_rotated_key_is_there_when_it_is_asked_for_and_the_old_one_stays_a_while) {
    auto o = quick();
    o.retire_after = 1h;
    start(o);
    ask();
    text = key_set_of({signer::p256().jwk(R"("kid":"b")")});
    ask();
    EXPECT_TRUE(has("a"));
    EXPECT_TRUE(has("b"));
}

TEST_F(jwks_url, an_old_key_goes_when_its_time_is_over) {
    auto o = quick();
    o.retire_after = 0ms;
    start(o);
    ask();
    ASSERT_TRUE(has("a"));
    text = key_set_of({signer::p256().jwk(R"("kid":"b")")});
    ask();
    EXPECT_FALSE(has("a"));
    EXPECT_TRUE(has("b"));
}

TEST_F(jwks_url, the_keys_stay_while_the_url_is_down_or_talks_nonsense) {
    start(quick());
    ask();
    down = true;
    ask();
    EXPECT_TRUE(has("a"));
    down = false;
    for (const auto* nonsense : {"", "<html>", R"({"keys":[]})", R"({"keys":[{"kty":"oct"}]})"}) {
        text = nonsense;
        ask();
        EXPECT_TRUE(has("a")) << nonsense;
    }
    EXPECT_EQ(heard, (std::vector<std::string>{"1", "connect_failed", "bad_jwks", "bad_jwks",
                                               "bad_jwks", "bad_jwks"}));
    text = key_set_of({signer::p256().jwk(R"("kid":"b")")});
    ask();
    EXPECT_TRUE(has("b"));
}

TEST_F(jwks_url, a_url_that_was_down_at_start_is_tried_again_by_itself) {
    down = true;
    jwks_options o;
    o.retry_first = 1ms;
    start(o);
    loop.run_until_done(refresh());
    EXPECT_FALSE(has("a"));
    down = false;
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    while (!has("a") && std::chrono::steady_clock::now() < deadline) {
        loop.run_until_done(pause());
    }
    EXPECT_TRUE(has("a"));
}

TEST_F(jwks_url, nobody_waits_longer_than_the_limit) {
    held = true;
    auto o = quick();
    o.wait_max = 20ms;
    start(o);
    ask(3);
    EXPECT_EQ(fetches, 1);
    EXPECT_FALSE(has("a"));
    held = false;
    gate.notify();
    ask();
    EXPECT_TRUE(has("a"));
}

TEST_F(jwks_url, a_short_max_age_does_not_make_a_storm) {
    max_age = 0s;
    start({});
    ask(3);
    EXPECT_EQ(fetches, 2);
}

}  // namespace
}  // namespace vora::auth
