#include "services/metadata/core/change_feed.hpp"

#include <gtest/gtest.h>

namespace vora::metadata {
namespace {

struct feed_of_changes : testing::Test {
    event_loop loop;
    change_feed feed{loop.executor(), 5, 2};

    change_feed::changes ask(const std::string& epoch, std::uint64_t after,
                             milliseconds limit = 0ms) {
        return loop.run_until_done(feed.wait(epoch, after, limit));
    }
    void publish(std::initializer_list<const char*> ids) {
        for (const auto* id : ids) {
            feed.publish(video_id{id});
        }
    }
    static std::string text(const change_feed::changes& c) {
        std::string all;
        for (const auto& id : c.ids) {
            all += id.value;
        }
        return all;
    }
};

TEST_F(feed_of_changes, a_new_reader_may_have_missed_all_and_learns_where_to_go_on) {
    publish({"a", "b"});
    const auto first = ask("", 0);
    EXPECT_TRUE(first.missed);
    EXPECT_EQ(first.last, 2u);
    EXPECT_TRUE(ask("another life", 2).missed);
    EXPECT_TRUE(ask(first.epoch, 3).missed) << "a number that was never given";
    EXPECT_FALSE(ask(first.epoch, 2).missed);
}

TEST_F(feed_of_changes, tells_each_change_once_and_in_order) {
    const auto epoch = ask("", 0).epoch;
    publish({"a", "b", "a"});
    const auto all = ask(epoch, 0);
    EXPECT_EQ(text(all), "ab");
    EXPECT_EQ(all.last, 3u);
    EXPECT_EQ(text(ask(epoch, 1)), "ba");
    const auto none = ask(epoch, 3);
    EXPECT_EQ(text(none), "");
    EXPECT_EQ(none.last, 3u);
    EXPECT_FALSE(none.missed);
}

TEST_F(feed_of_changes, a_reader_too_far_behind_has_missed_something) {
    const auto epoch = ask("", 0).epoch;
    publish({"a", "b", "c", "d", "e", "f"});
    EXPECT_TRUE(ask(epoch, 0).missed) << "a is no longer kept";
    EXPECT_EQ(text(ask(epoch, 1)), "bcdef");
}

TEST_F(feed_of_changes, after_a_gap_every_reader_has_missed_something) {
    publish({"a"});
    const auto before = ask("", 0);
    feed.forget();
    const auto after = ask(before.epoch, before.last);
    EXPECT_TRUE(after.missed);
    EXPECT_EQ(after.last, 0u);
    publish({"b"});
    EXPECT_EQ(text(ask(after.epoch, after.last)), "b");
}

TEST_F(feed_of_changes, a_reader_that_waits_is_woken_by_the_change) {
    const auto epoch = ask("", 0).epoch;
    task_group others(loop.executor());
    const auto later = [](change_feed& f) -> task<> {
        f.publish(video_id{"x"});
        co_return;
    };
    others.spawn(later(feed));
    const auto began = std::chrono::steady_clock::now();
    EXPECT_EQ(text(ask(epoch, 0, 60s)), "x");
    EXPECT_LT(std::chrono::steady_clock::now() - began, 30s);
    loop.run_until_done(others.join());
}

TEST_F(feed_of_changes, more_readers_than_allowed_are_answered_at_once_and_closing_wakes_all) {
    const auto epoch = ask("", 0).epoch;
    task_group readers(loop.executor());
    int answered = 0;
    const auto read = [](change_feed& f, std::string e, int& n) -> task<> {
        auto ignored = co_await f.wait(e, 0, 600s);
        ++n;
    };
    for (int i = 0; i < 3; ++i) {
        readers.spawn(read(feed, epoch, answered));
    }
    const auto until_one = [](int& n) -> task<> {
        while (n < 1) {
            co_await sleep_for(1ms);
        }
    };
    loop.run_until_done(until_one(answered));
    EXPECT_EQ(answered, 1);
    feed.close();
    loop.run_until_done(readers.join());
    EXPECT_EQ(answered, 3);
    EXPECT_EQ(text(ask(epoch, 0, 600s)), "") << "and nobody waits again";
}

TEST_F(feed_of_changes, a_long_backlog_comes_in_pieces) {
    change_feed large(loop.executor());
    const auto epoch = loop.run_until_done(large.wait("", 0, 0ms)).epoch;
    for (int i = 0; i < 2500; ++i) {
        large.publish(video_id{std::to_string(i)});
    }
    std::size_t told = 0;
    std::uint64_t after = 0;
    for (int i = 0; i < 3; ++i) {
        const auto part = loop.run_until_done(large.wait(epoch, after, 0ms));
        EXPECT_LE(part.ids.size(), 1000u);
        told += part.ids.size();
        after = part.last;
    }
    EXPECT_EQ(told, 2500u);
    EXPECT_EQ(after, 2500u);
}

}  // namespace
}  // namespace vora::metadata
