#include "libs/compress/gzip.hpp"

#include <gtest/gtest.h>

namespace vora::compress {
namespace {

std::string reason(const result<std::string>& r) {
    return r ? "ok" : r.error().reason;
}

std::string numbers(std::size_t bytes) {
    std::string text;
    for (std::size_t i = 0; text.size() < bytes; ++i) {
        text += std::to_string(i * i) + ' ';
    }
    return text;
}

TEST(gzip, gives_back_what_was_put_in) {
    for (const std::size_t size : {0, 1, 1000, 3'000'000}) {
        const auto text = numbers(size);
        const auto packed = gzip(text);
        EXPECT_EQ(packed.substr(0, 2), "\x1f\x8b");
        const auto back = gunzip(packed, text.size());
        ASSERT_TRUE(back) << size;
        EXPECT_TRUE(*back == text);
    }
    EXPECT_LT(gzip(numbers(3'000'000)).size(), 2'000'000u);
}

TEST(gzip, more_than_may_come_out_is_refused_early) {
    const auto bomb = gzip(std::string(50'000'000, '\0'));
    EXPECT_EQ(reason(gunzip(bomb, 1'000'000)), "gzip_too_large");
    const auto text = numbers(1000);
    EXPECT_EQ(reason(gunzip(gzip(text), text.size() - 1)), "gzip_too_large");
}

TEST(gzip, what_is_not_one_whole_member_is_refused) {
    const auto packed = gzip(numbers(5000));
    for (std::size_t size = 0; size < packed.size(); size += 7) {
        EXPECT_EQ(reason(gunzip(packed.substr(0, size), 10'000)), "bad_gzip") << size;
    }
    EXPECT_EQ(reason(gunzip(packed + "x", 10'000)), "bad_gzip");
    EXPECT_EQ(reason(gunzip("not gzip at all", 10'000)), "bad_gzip");
    auto damaged = packed;
    damaged[packed.size() / 2] ^= 1;
    EXPECT_EQ(reason(gunzip(damaged, 10'000)), "bad_gzip");
}

}  // namespace
}  // namespace vora::compress
