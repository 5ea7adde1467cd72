#include "services/gateway/core/playback_cache.hpp"

#include "services/gateway/core/delivery.hpp"
#include "services/gateway/testing/fakes.hpp"

#include <gtest/gtest.h>

namespace vora::gateway {
namespace {

using testing::fake_clock;
using testing::fake_source;

class playback_caching : public ::testing::Test {
 protected:
    void SetUp() override {
        source_.videos["a"] = {
            "a", true, true, "a/", {testing::make_rendition("360p", 640, 360, 1)}};
    }
    void TearDown() override { loop_.run_until_done(cache_->stop()); }

    result<known_playback> find(const std::string& id, bool current = false) {
        return loop_.run_until_done(cache_->find(id, current));
    }
    result<located> locate(bool has_grant = false) {
        delivery d(*cache_);
        return loop_.run_until_done(d.locate({has_grant, 0}, "a", {object_kind::master, {}, 0}));
    }
    void make(cache_options o) {
        loop_.run_until_done(cache_->stop());
        cache_ = std::make_unique<playback_cache>(loop_.executor(), source_, clock_, o);
    }

    event_loop loop_;
    fake_clock clock_;
    fake_source source_{loop_.executor()};
    std::unique_ptr<playback_cache> cache_ =
        std::make_unique<playback_cache>(loop_.executor(), source_, clock_, cache_options{});
};

TEST_F(playback_caching, an_answer_is_used_for_a_second_and_no_longer) {
    EXPECT_TRUE(find("a")->current);
    clock_.advance(1000ms);
    EXPECT_FALSE(find("a")->current);
    EXPECT_EQ(source_.asked, 1);
    clock_.advance(1ms);
    EXPECT_TRUE(find("a")->current);
    EXPECT_EQ(source_.asked, 2);
}

TEST_F(playback_caching, a_clock_set_back_makes_no_answer_fresh) {
    find("a");
    clock_.advance(-1h);
    find("a");
    EXPECT_EQ(source_.asked, 2);
}

TEST_F(playback_caching, many_viewers_ask_once) {
    source_.held = true;
    task_group viewers(loop_.executor());
    int answered = 0;
    const auto view = [](playback_cache& c, int& n) -> task<> {
        auto found = co_await c.find("a", false);
        n += found && found->info ? 1 : 0;
    };
    for (int i = 0; i < 100; ++i) {
        viewers.spawn(view(*cache_, answered));
    }
    const auto release = [](fake_source& s) -> task<> {
        while (s.asked == 0) {
            co_await sleep_for(1ms);
        }
        s.release();
    };
    loop_.run_until_done(release(source_));
    loop_.run_until_done(viewers.join());
    EXPECT_EQ(answered, 100);
    EXPECT_EQ(source_.asked, 1);
}

TEST_F(playback_caching, a_viewer_who_leaves_takes_nobody_along) {
    source_.held = true;
    task_group leaving(loop_.executor());
    task_group staying(loop_.executor());
    bool answered = false;
    const auto view = [](playback_cache& c, bool* done) -> task<> {
        auto found = co_await c.find("a", false);
        if (done != nullptr) {
            *done = found && found->info;
        }
    };
    leaving.spawn(view(*cache_, nullptr));
    staying.spawn(view(*cache_, &answered));
    loop_.run_until_done(sleep_for(1ms));
    loop_.run_until_done(leaving.stop());
    source_.release();
    loop_.run_until_done(staying.join());
    EXPECT_TRUE(answered);
}

TEST_F(playback_caching, while_the_source_is_away_the_last_answer_stands) {
    find("a");
    source_.away = true;
    clock_.advance(23h);
    const auto found = find("a");
    ASSERT_TRUE(found);
    EXPECT_TRUE(found->stale);
    EXPECT_EQ(found->info->video_id, "a");
}

TEST_F(playback_caching, but_not_beyond_its_limit) {
    find("a");
    source_.away = true;
    clock_.advance(24h + 1ms);
    EXPECT_EQ(find("a").error().code, errc::unavailable);
}

TEST_F(playback_caching, what_was_never_known_is_unavailable) {
    source_.away = true;
    EXPECT_EQ(find("a").error().code, errc::unavailable);
}

TEST_F(playback_caching, after_a_failure_known_answers_wait_for_nothing) {
    find("a");
    source_.away = true;
    clock_.advance(2s);
    find("a");
    source_.held = true;  // the next question would wait
    const int asked = source_.asked;
    clock_.advance(2s);
    EXPECT_TRUE(find("a")->stale);
    EXPECT_TRUE(find("a", true)->stale);
    loop_.run_until_done(sleep_for(1ms));
    EXPECT_EQ(source_.asked, asked + 1) << "asked behind, once a second at most";
    source_.release();
}

TEST_F(playback_caching, when_the_source_is_back_its_word_counts_again) {
    find("a");
    source_.away = true;
    clock_.advance(2s);
    find("a");
    source_.away = false;
    source_.videos.clear();
    clock_.advance(2s);
    EXPECT_TRUE(find("a")->stale);
    loop_.run_until_done(sleep_for(1ms));
    EXPECT_EQ(find("a")->info, nullptr);
}

TEST_F(playback_caching, a_deleted_video_is_forgotten_even_if_the_source_then_goes_away) {
    find("a");
    source_.videos.clear();
    clock_.advance(2s);
    EXPECT_EQ(find("a")->info, nullptr);
    source_.away = true;
    EXPECT_FALSE(find("a"));
}

TEST_F(playback_caching, a_remembered_answer_allows_but_never_refuses) {
    source_.videos["a"].is_public = false;
    EXPECT_FALSE(locate());
    EXPECT_TRUE(locate(true));  // now remembered as private
    source_.videos["a"].is_public = true;
    EXPECT_TRUE(locate()) << "no waiting for the memory to age";
    source_.videos["a"].playable = false;
    EXPECT_TRUE(locate()) << "allowed for as long as it is fresh";
    clock_.advance(1001ms);
    EXPECT_FALSE(locate());
    source_.videos["a"].playable = true;
    EXPECT_TRUE(locate());
}

TEST_F(playback_caching, a_question_under_way_is_not_the_last_word_for_who_comes_later) {
    source_.videos["a"].is_public = false;
    source_.held = true;
    task_group viewers(loop_.executor());
    std::optional<bool> first;
    std::optional<bool> second;
    const auto view = [](playback_cache& c, std::optional<bool>& allowed) -> task<> {
        delivery d(c);
        auto found = co_await d.locate({false, 0}, "a", {object_kind::master, {}, 0});
        allowed = found.has_value();
    };
    viewers.spawn(view(*cache_, first));
    loop_.run_until_done(sleep_for(1ms));
    ASSERT_EQ(source_.asked, 1);
    source_.videos["a"].is_public = true;  // after the first question, before its answer
    viewers.spawn(view(*cache_, second));
    loop_.run_until_done(sleep_for(1ms));
    source_.release();
    loop_.run_until_done(viewers.join());
    EXPECT_EQ(first, false);
    EXPECT_EQ(second, true);
}

TEST_F(playback_caching, memory_is_bounded_and_keeps_what_is_played) {
    make({.entries_max = 10});
    for (int i = 0; i < 50; ++i) {
        const auto id = std::to_string(i);
        source_.videos[id] = source_.videos["a"];
        find(id);
        find("a");
    }
    const int asked = source_.asked;
    find("a");
    EXPECT_EQ(source_.asked, asked);
    find("0");
    EXPECT_EQ(source_.asked, asked + 1);
}

TEST_F(playback_caching, guessed_ids_do_not_drive_out_what_is_played) {
    make({.entries_max = 2});
    find("a");
    for (int i = 0; i < 50; ++i) {
        find("guess" + std::to_string(i));
    }
    const int asked = source_.asked;
    find("a");
    EXPECT_EQ(source_.asked, asked);
}

TEST_F(playback_caching, questions_at_once_are_bounded) {
    make({.asks_max = 2});
    source_.held = true;
    task_group viewers(loop_.executor());
    int refused = 0;
    const auto view = [](playback_cache& c, std::string id, int& n) -> task<> {
        auto found = co_await c.find(id, false);
        n += !found && found.error().reason == "too_many_lookups" ? 1 : 0;
    };
    for (int i = 0; i < 5; ++i) {
        viewers.spawn(view(*cache_, std::to_string(i), refused));
    }
    loop_.run_until_done(sleep_for(1ms));
    EXPECT_EQ(refused, 3);
    source_.release();
    loop_.run_until_done(viewers.join());
}

TEST_F(playback_caching, stopping_ends_every_wait) {
    source_.held = true;
    task_group viewers(loop_.executor());
    bool ended = false;
    const auto view = [](playback_cache& c, bool& done) -> task<> {
        auto found = co_await c.find("a", false);
        done = !found;
    };
    viewers.spawn(view(*cache_, ended));
    loop_.run_until_done(sleep_for(1ms));
    loop_.run_until_done(cache_->stop());
    loop_.run_until_done(viewers.join());
    EXPECT_TRUE(ended);
}

TEST_F(playback_caching, while_changes_are_told_an_answer_is_used_until_it_changes) {
    cache_->set_live(true);
    EXPECT_TRUE(find("a")->current);
    clock_.advance(60s);
    const auto later = find("a");
    EXPECT_FALSE(later->current);
    EXPECT_FALSE(later->stale) << "told is as good as asked";
    EXPECT_EQ(source_.asked, 1);
    source_.videos["a"].is_public = false;
    cache_->changed("a");
    EXPECT_FALSE(find("a")->info->is_public);
    EXPECT_EQ(source_.asked, 2);
    cache_->set_live(false);
    clock_.advance(2s);
    find("a");
    EXPECT_EQ(source_.asked, 3) << "nobody tells: it asks for itself again";
}

TEST_F(playback_caching, a_video_that_changed_does_not_play_on_when_the_source_then_goes_away) {
    cache_->set_live(true);
    find("a");
    cache_->changed("a");
    source_.away = true;
    EXPECT_FALSE(find("a"));
}

TEST_F(playback_caching, an_answer_asked_for_before_the_change_is_not_kept) {
    cache_->set_live(true);
    source_.held = true;
    task_group viewers(loop_.executor());
    std::vector<bool> seen;
    const auto view = [](playback_cache& c, std::vector<bool>& s) -> task<> {
        auto found = co_await c.find("a", false);
        s.push_back(found && found->info->is_public);
    };
    const auto until_asked = [](fake_source& s, int n) -> task<> {
        while (s.asked < n) {
            co_await sleep_for(1ms);
        }
    };
    viewers.spawn(view(*cache_, seen));
    loop_.run_until_done(until_asked(source_, 1));
    source_.videos["a"].is_public = false;
    cache_->changed("a");
    viewers.spawn(view(*cache_, seen));
    loop_.run_until_done(until_asked(source_, 2));
    source_.release();
    source_.release();
    loop_.run_until_done(viewers.join());
    ASSERT_EQ(seen.size(), 2u);
    EXPECT_EQ(seen[0] + seen[1], 1) << "who came after the change asked anew";
    EXPECT_FALSE(find("a")->info->is_public) << "and only that was kept";
    EXPECT_EQ(source_.asked, 2);
}

TEST_F(playback_caching, after_a_missed_change_all_is_asked_again_and_stands_only_meanwhile) {
    cache_->set_live(true);
    find("a");
    cache_->all_changed();
    source_.away = true;
    const auto meanwhile = find("a");
    ASSERT_TRUE(meanwhile);
    EXPECT_TRUE(meanwhile->stale);
    source_.away = false;
    source_.videos["a"].is_public = false;
    clock_.advance(6s);
    EXPECT_FALSE(find("a")->info->is_public);
}

}  // namespace
}  // namespace vora::gateway
