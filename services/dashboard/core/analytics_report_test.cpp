#include "services/dashboard/core/analytics_report.hpp"

#include <gtest/gtest.h>

namespace vora::dashboard {
namespace {

const timestamp now = *from_rfc3339("2026-11-23T12:00:00.500Z");

TEST(time_windows, are_the_last_seven_days_unless_said_otherwise) {
    const auto w = make_window(std::nullopt, std::nullopt, now);
    ASSERT_TRUE(w);
    EXPECT_EQ(w->to, now);
    EXPECT_EQ(w->from, now - std::chrono::days(7));
}

TEST(time_windows, with_an_open_end_take_along_clients_whose_clock_is_ahead) {
    EXPECT_EQ(make_window(std::nullopt, std::nullopt, now)->until, now + 5min);
    const auto closed = make_window(std::nullopt, "2026-11-20T00:00:00Z", now);
    EXPECT_EQ(closed->until, closed->to);
    EXPECT_EQ(closed->from, *from_rfc3339("2026-11-13T00:00:00Z"));
}

TEST(time_windows, are_cut_into_sixty_parts_that_meet) {
    const auto w = make_window("2026-11-23T11:00:00Z", "2026-11-23T11:00:00.059Z", now);
    ASSERT_TRUE(w);
    EXPECT_EQ(w->start_of(0), w->from);
    EXPECT_EQ(w->start_of(series_points), w->to);
    const auto hour = make_window("2026-11-23T11:00:00Z", "2026-11-23T12:00:00+00:00", now);
    EXPECT_EQ(hour->start_of(7), hour->from + 7min);
}

TEST(time_windows, that_make_no_sense_are_refused) {
    const std::pair<const char*, const char*> table[] = {
        {"yesterday", "2026-11-20T00:00:00Z"},
        {"", "2026-11-20T00:00:00Z"},
        {"2026-11-20T00:00:00Z", "1700000000"},
        {"2026-11-20T00:00:00Z", "2026-11-20T00:00:00Z"},
        {"2026-11-21T00:00:00Z", "2026-11-20T00:00:00Z"},
        {"2025-10-01T00:00:00Z", "2026-11-20T00:00:00Z"},
        {"0001-01-01T00:00:00Z", "0001-01-02T00:00:00Z"},
        {"9998-01-01T00:00:00Z", "9998-01-02T00:00:00Z"},
    };
    for (const auto& [from, to] : table) {
        const auto w = make_window(from, to, now);
        ASSERT_FALSE(w) << from << " " << to;
        EXPECT_EQ(w.error().code, errc::invalid_argument);
        EXPECT_EQ(w.error().reason, "bad_time_range");
    }
}

TEST(reports, add_their_parts_up) {
    analytics_report r;
    r.parts.front().watch_ms = 1'000;
    r.parts.back().watch_ms = 2'000;
    r.parts.back().stalled_ms = 1'000;
    EXPECT_EQ(r.watch_ms(), 3'000);
    EXPECT_EQ(rebuffer_ratio(r.stalled_ms(), r.watch_ms()), 0.25);
    EXPECT_EQ(rebuffer_ratio(0, 0), 0);
}

}  // namespace
}  // namespace vora::dashboard
