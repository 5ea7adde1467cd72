#include "services/dashboard/core/one_time_links.hpp"

#include <gtest/gtest.h>

#include <set>

namespace vora::dashboard {
namespace {

constexpr timestamp start = timestamp(std::chrono::days(20'000));

TEST(one_time_links, a_token_works_once) {
    one_time_links links(1h);
    const auto token = links.issue(start);
    EXPECT_TRUE(links.redeem(token, start + 1min));
    EXPECT_FALSE(links.redeem(token, start + 1min));
}

TEST(one_time_links, a_token_ends_with_its_time) {
    one_time_links links(1h);
    const auto in_time = links.issue(start);
    const auto late = links.issue(start);
    EXPECT_TRUE(links.redeem(in_time, start + 1h - 1ms));
    EXPECT_FALSE(links.redeem(late, start + 1h));
}

TEST(one_time_links, what_was_not_issued_does_not_work) {
    one_time_links links(1h);
    const auto token = links.issue(start);
    EXPECT_FALSE(links.redeem("", start));
    EXPECT_FALSE(links.redeem(token.substr(1), start));
    EXPECT_FALSE(links.redeem(token + "A", start));
    EXPECT_TRUE(links.redeem(token, start));
}

TEST(one_time_links, tokens_are_long_different_and_fit_into_a_url) {
    one_time_links links(1h);
    std::set<std::string> seen;
    for (int i = 0; i < 50; ++i) {
        const auto token = links.issue(start);
        EXPECT_EQ(token.size(), 43u);
        EXPECT_EQ(token.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                          "0123456789-_"),
                  token.npos);
        EXPECT_TRUE(seen.insert(token).second);
    }
}

TEST(one_time_links, the_oldest_give_way_when_there_are_too_many) {
    one_time_links links(1h);
    const auto first = links.issue(start);
    const auto second = links.issue(start);
    for (std::size_t i = 1; i < one_time_links::links_max; ++i) {
        links.issue(start);
    }
    EXPECT_FALSE(links.redeem(first, start));
    EXPECT_TRUE(links.redeem(second, start));
}

}  // namespace
}  // namespace vora::dashboard
