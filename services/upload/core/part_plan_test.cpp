#include "services/upload/core/part_plan.hpp"

#include <gtest/gtest.h>

namespace vora::upload {
namespace {

constexpr std::uint64_t mib = 1 << 20;

TEST(part_plan, parts_are_8_mib_until_ten_thousand_of_them_do_not_suffice) {
    EXPECT_EQ(part_bytes_for(0), 8 * mib);
    EXPECT_EQ(part_bytes_for(1), 8 * mib);
    EXPECT_EQ(part_bytes_for(80'000 * mib), 8 * mib);
    EXPECT_EQ(part_bytes_for(80'000 * mib + 1), 9 * mib);
    for (auto length : {std::uint64_t{1}, 256 * 1024 * mib, (std::uint64_t{1} << 53) - 1}) {
        const part_plan plan{length, part_bytes_for(length)};
        EXPECT_LE(plan.part_count(), 10'000u);
        EXPECT_EQ(plan.part(plan.part_count() - 1).to, length);
    }
}

TEST(part_plan, the_run_ends_at_a_gap_and_at_a_part_of_the_wrong_size) {
    const part_plan plan{3 * 8 * mib + 5, 8 * mib};
    const blob::part_info one{1, 8 * mib, "a"};
    const blob::part_info two{2, 8 * mib, "b"};
    const blob::part_info three{3, 8 * mib, "c"};
    const blob::part_info last{4, 5, "d"};
    EXPECT_EQ(plan.full_run({three, one, two, last}).size(), 4u);
    EXPECT_EQ(plan.full_run({one, three, last}).size(), 1u);
    EXPECT_EQ(plan.full_run({two, three, last}).size(), 0u);
    EXPECT_EQ(plan.full_run({one, {2, 8 * mib - 1, "x"}, three}).size(), 1u);
    EXPECT_EQ(plan.full_run({one, two, three, {4, 6, "x"}}).size(), 3u);
}

TEST(part_plan, the_tail_is_what_hangs_together_from_the_start_of_the_part) {
    const part_plan plan{100, 40};
    EXPECT_EQ(plan.tail_end(0, {}), 0u);
    EXPECT_EQ(plan.tail_end(0, {{0, 5}, {5, 9}}), 9u);
    EXPECT_EQ(plan.tail_end(0, {{5, 9}, {0, 5}}), 9u);
    EXPECT_EQ(plan.tail_end(0, {{0, 5}, {6, 9}}), 5u) << "a gap";
    EXPECT_EQ(plan.tail_end(0, {{1, 9}}), 0u);
    EXPECT_EQ(plan.tail_end(0, {{0, 9}, {3, 12}}), 12u) << "overlap";
    EXPECT_EQ(plan.tail_end(1, {{0, 40}, {40, 50}}), 50u);
    EXPECT_EQ(plan.tail_end(1, {{30, 60}}), 40u) << "a tail of another part";
    EXPECT_EQ(plan.tail_end(2, {{80, 100}}), 100u);
}

TEST(part_plan, tail_names_hold_their_range_and_sort) {
    EXPECT_EQ(parse_tail_name(tail_name({3, 99})), (extent{3, 99}));
    EXPECT_LT(tail_name({9, 10}), tail_name({10, 11}));
    EXPECT_TRUE(blob::is_valid_key(tail_name({0, 1})));
    for (const auto* bad :
         {"", ".tail-", ".tail-1-2", ".info", ".tail-00000000000000000005-00000000000000000005",
          ".tail-00000000000000000006-00000000000000000005",
          ".tail-0000000000000000000x-00000000000000000005",
          ".tail-00000000000000000001+00000000000000000005",
          ".tail-00000000000000000001-00000000000000000005x"}) {
        EXPECT_FALSE(parse_tail_name(bad)) << bad;
    }
}

}  // namespace
}  // namespace vora::upload
