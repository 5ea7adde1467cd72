#include "services/dashboard/core/attempt_limiter.hpp"

#include <gtest/gtest.h>

namespace vora::dashboard {
namespace {

constexpr timestamp start = timestamp(std::chrono::days(20'000));

void refuse(attempt_limiter& limiter, const std::string& peer, int times, timestamp at) {
    for (int i = 0; i < times; ++i) {
        limiter.count_refusal(peer, at);
    }
}

TEST(attempt_limiter, refusals_beyond_the_limit_have_to_wait) {
    attempt_limiter limiter(10);
    refuse(limiter, "a", 9, start);
    EXPECT_EQ(limiter.wait_of("a", start), 0s);
    refuse(limiter, "a", 1, start);
    EXPECT_EQ(limiter.wait_of("a", start), 6s);
}

TEST(attempt_limiter, time_pays_the_debt_off) {
    attempt_limiter limiter(10);
    refuse(limiter, "a", 10, start);
    EXPECT_GT(limiter.wait_of("a", start + 5s), 0s);
    EXPECT_EQ(limiter.wait_of("a", start + 6s), 0s);
    refuse(limiter, "a", 9, start + 1h);
    EXPECT_EQ(limiter.wait_of("a", start + 1h), 0s);
}

TEST(attempt_limiter, one_address_does_not_hinder_another) {
    attempt_limiter limiter(10);
    refuse(limiter, "a", 50, start);
    EXPECT_GT(limiter.wait_of("a", start), 0s);
    EXPECT_EQ(limiter.wait_of("b", start), 0s);
}

TEST(attempt_limiter, many_addresses_share_what_is_left_and_memory_stays_bounded) {
    attempt_limiter limiter(10);
    for (std::size_t i = 0; i < attempt_limiter::peers_max; ++i) {
        limiter.count_refusal("peer" + std::to_string(i), start);
    }
    refuse(limiter, "one more", 5, start);
    refuse(limiter, "yet another", 5, start);
    EXPECT_GT(limiter.wait_of("a third", start), 0s);
    // Later the old accounts are settled and make room.
    EXPECT_EQ(limiter.wait_of("one more", start + 1h), 0s);
    refuse(limiter, "one more", 10, start + 1h);
    EXPECT_GT(limiter.wait_of("one more", start + 1h), 0s);
    EXPECT_EQ(limiter.wait_of("peer7", start + 1h), 0s);
}

}  // namespace
}  // namespace vora::dashboard
