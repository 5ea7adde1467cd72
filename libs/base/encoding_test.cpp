#include "libs/base/encoding.hpp"

#include "libs/base/clock.hpp"

#include <gtest/gtest.h>

namespace vora {
namespace {

TEST(base64, follows_the_vectors_of_rfc_4648) {
    EXPECT_EQ(base64_encode("foob"), "Zm9vYg==");
    EXPECT_EQ(base64_encode("foobar"), "Zm9vYmFy");
    EXPECT_EQ(base64_decode("Zm9vYg==").value(), "foob");
    EXPECT_EQ(base64url_encode("\xfb\xff"), "-_8");
    EXPECT_EQ(base64url_decode("-_8").value(), "\xfb\xff");
}

TEST(base64, refuses_what_is_not_canonical) {
    for (auto text : {"Zm9vYg=", "Zm9vYg", "Zm9vYh==", "Zm9v Yg==", "Zm9v\nYg=", "="}) {
        EXPECT_FALSE(base64_decode(text).has_value()) << text;
    }
    for (auto text : {"-_9", "-_8=", "-", "+/8"}) {
        EXPECT_FALSE(base64url_decode(text).has_value()) << text;
    }
}

TEST(parse_uint, takes_plain_digits_only) {
    EXPECT_EQ(parse_uint("9007199254740991").value(), 9007199254740991u);
    for (auto text :
         {"", "+5", "-1", " 5", "5 ", "0x5", "9007199254740992", "99999999999999999999"}) {
        EXPECT_FALSE(parse_uint(text).has_value()) << text;
    }
}

TEST(percent_decode, refuses_bad_escapes_and_nul) {
    EXPECT_EQ(percent_decode("a%2Fb").value(), "a/b");
    for (auto text : {"%", "%2", "%zz", "%00"}) {
        EXPECT_FALSE(percent_decode(text).has_value()) << text;
    }
}

TEST(utf8, refuses_overlong_and_surrogates) {
    EXPECT_TRUE(is_valid_utf8("gr\xc3\xbc\xc3\x9f \xf0\x9f\x8e\xac"));
    for (auto text : {"\xc0\xaf", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\x80"}) {
        EXPECT_FALSE(is_valid_utf8(text));
    }
}

TEST(clock, rfc3339_goes_there_and_back) {
    const auto t = from_rfc3339("2026-11-23T17:00:48.123Z").value();
    EXPECT_EQ(to_rfc3339(t), "2026-11-23T17:00:48.123Z");
    EXPECT_EQ(from_rfc3339("2026-11-23T18:00:48.123+01:00").value(), t);
    EXPECT_FALSE(from_rfc3339("2026-02-30T00:00:00Z").has_value());
    EXPECT_FALSE(from_rfc3339("2026-11-23 17:00:48").has_value());
    EXPECT_EQ(from_http_date(to_http_date(t)).value(), std::chrono::floor<seconds>(t));
}

}  // namespace
}  // namespace vora
