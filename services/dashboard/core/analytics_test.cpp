#include "services/dashboard/core/analytics.hpp"

#include "services/dashboard/core/fake_event_store.hpp"

#include <gtest/gtest.h>

namespace vora::dashboard {
namespace {

class analytics_test : public ::testing::Test {
 protected:
    analytics_test() {
        store_.answer = analytics_report{};
        store_.answer->plays = 7;
        directory_.own = {"mine", "mine too"};
    }
    result<analytics::answer> of_video(const std::string& id, analytics_caller who) {
        return loop_.run_until_done(analytics_.of_video(id, std::move(who), {}));
    }
    result<analytics::answer> of_all(analytics_caller who) {
        return loop_.run_until_done(analytics_.of_all(std::move(who), {}));
    }

    event_loop loop_;
    fake_event_store store_;
    fake_video_directory directory_;
    analytics analytics_{store_, directory_, 2};
    analytics_caller owner_{false, "owner's token"};
    analytics_caller admin_{true, "admin's token"};
};

TEST_F(analytics_test, an_owner_sees_the_figures_of_his_video) {
    const auto found = of_video("mine", owner_);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->report.plays, 7u);
    EXPECT_EQ(store_.asked.ids, std::vector<std::string>{"mine"});
    EXPECT_EQ(directory_.seen_token, "owner's token");
}

TEST_F(analytics_test, anothers_video_is_not_found_and_the_store_not_asked) {
    const auto found = of_video("another's", owner_);
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, errc::not_found);
    EXPECT_EQ(store_.questions, 0);
}

TEST_F(analytics_test, an_admin_sees_any_id_whatever_metadata_says) {
    directory_.failure = {errc::unavailable, "metadata_unavailable", ""};
    EXPECT_TRUE(of_video("never heard of", admin_));
    EXPECT_TRUE(of_all(admin_));
    EXPECT_FALSE(store_.asked.ids.has_value());
}

TEST_F(analytics_test, an_overlong_id_names_nothing) {
    EXPECT_EQ(of_video(std::string(201, 'x'), admin_).error().code, errc::not_found);
}

TEST_F(analytics_test, overall_figures_are_those_of_the_callers_videos) {
    directory_.partial = true;
    const auto found = of_all(owner_);
    ASSERT_TRUE(found);
    EXPECT_EQ(store_.asked.ids, (std::vector<std::string>{"mine", "mine too"}));
    EXPECT_TRUE(found->partial);
}

TEST_F(analytics_test, who_has_no_videos_has_no_figures) {
    directory_.own.clear();
    const auto found = of_all(owner_);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->report.plays, 0u);
    EXPECT_EQ(store_.questions, 0);
}

TEST_F(analytics_test, what_is_away_is_said) {
    store_.answer = fail(errc::unavailable, "analytics_unavailable");
    EXPECT_EQ(of_video("mine", owner_).error().reason, "analytics_unavailable");
    directory_.failure = {errc::unavailable, "metadata_unavailable", ""};
    EXPECT_EQ(of_video("mine", owner_).error().reason, "metadata_unavailable");
    EXPECT_EQ(of_all(owner_).error().reason, "metadata_unavailable");
}

TEST_F(analytics_test, more_questions_than_allowed_at_once_are_refused_until_one_is_done) {
    result<analytics::answer> inner = fail(errc::internal, "not asked");
    int depth = 0;
    store_.during = [&]() -> task<> {
        if (++depth <= 2) {
            auto r = co_await analytics_.of_all(admin_, {});
            inner = std::move(r);
        }
    };
    // The first asks the second, which asks the third: that is one too many.
    EXPECT_TRUE(of_all(admin_));
    EXPECT_EQ(store_.questions, 2);
    store_.during = {};
    EXPECT_TRUE(of_all(admin_));
}

}  // namespace
}  // namespace vora::dashboard
