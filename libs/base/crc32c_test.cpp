#include "libs/base/crc32c.hpp"

#include <gtest/gtest.h>

#include <string>

namespace vora {
namespace {

TEST(crc, both_ways_give_the_published_value) {
    EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
    EXPECT_EQ(crc32c_by_table("123456789"), 0xe3069283u);
    std::string bytes;
    for (int i = 0; i < 300; ++i) {
        bytes.push_back(static_cast<char>(i * 37));
        EXPECT_EQ(crc32c(bytes), crc32c_by_table(bytes));
    }
}

TEST(crc, pieces_give_what_the_whole_gives) {
    const std::string_view whole = "one piece and another, of no round length";
    EXPECT_EQ(crc32c(""), 0u);
    for (std::size_t at = 0; at <= whole.size(); ++at) {
        EXPECT_EQ(crc32c(whole.substr(at), crc32c(whole.substr(0, at))), crc32c(whole));
        EXPECT_EQ(crc32c_by_table(whole.substr(at), crc32c_by_table(whole.substr(0, at))),
                  crc32c(whole));
    }
}

}  // namespace
}  // namespace vora
