#include "services/gateway/handlers/conditional.hpp"

#include <gtest/gtest.h>

namespace vora::gateway {
namespace {

constexpr auto etag = "\"abc\"";

TEST(ranges, one_range_of_bytes_is_taken) {
    struct row {
        const char* field;
        std::uint64_t offset, length;
    };
    for (const auto& [field, offset, length] : {
             row{"bytes=0-0", 0, 1},
             row{"bytes=0-99", 0, 100},
             row{"bytes=0-", 0, 100},
             row{"bytes=99-", 99, 1},
             row{"bytes=10-19", 10, 10},
             row{"bytes=10-1000", 10, 90},
             row{"bytes=-1", 99, 1},
             row{"bytes=-100", 0, 100},
             row{"bytes=-1000", 0, 100},
             row{"Bytes=0-9", 0, 10},
             row{" bytes= 0 - 9 ", 0, 10},
             row{"bytes=0-99999999999999999999999999", 0, 100},
             row{"bytes=-18446744073709551616", 0, 100},
         }) {
        const auto v = evaluate({{}, {}, {}, field}, etag, 100);
        EXPECT_EQ(v.status, 206) << field;
        EXPECT_EQ(v.range.offset, offset) << field;
        EXPECT_EQ(v.range.length, length) << field;
    }
}

TEST(ranges, what_lies_beyond_the_end_is_not_satisfiable) {
    for (const auto* field :
         {"bytes=100-", "bytes=100-200", "bytes=-0", "bytes=99999999999999999999999999-"}) {
        EXPECT_EQ(evaluate({{}, {}, {}, field}, etag, 100).status, 416) << field;
    }
    EXPECT_EQ(evaluate({{}, {}, {}, "bytes=0-"}, etag, 0).status, 416);
    EXPECT_EQ(evaluate({{}, {}, {}, "bytes=-5"}, etag, 0).status, 416);
}

TEST(ranges, what_is_no_single_range_is_answered_with_the_whole) {
    for (const auto* field : {"", "bytes", "bytes=", "bytes=-", "bytes=5", "bytes=a-b", "bytes=5-4",
                              "bytes=0-0,5-9", "bytes=0-,", "seconds=0-1", "bytes 0-1",
                              "bytes=1--2", "bytes=+1-2", "bytes=0x1-2", "bytes=--1"}) {
        EXPECT_EQ(evaluate({{}, {}, {}, field}, etag, 100).status, 200) << field;
    }
}

TEST(conditions_of_a_request, none_match_is_304_for_any_tag_that_is_the_same) {
    for (const auto* field :
         {"\"abc\"", "W/\"abc\"", "*", "\"x\", \"abc\"", "\"x\" , W/\"abc\"", "\"a,b\",\"abc\""}) {
        EXPECT_EQ(evaluate({{}, field, {}, {}}, etag, 100).status, 304) << field;
    }
    for (const auto* field : {"\"x\"", "abc", "\"abc", "x\"abc\"", "\"ab\"c\"", "\"abcd\"", ","}) {
        EXPECT_EQ(evaluate({{}, field, {}, {}}, etag, 100).status, 200) << field;
    }
}

TEST(conditions_of_a_request, match_is_strong) {
    for (const auto* field : {"\"abc\"", "*", "\"x\", \"abc\""}) {
        EXPECT_EQ(evaluate({field, {}, {}, {}}, etag, 100).status, 200) << field;
    }
    for (const auto* field : {"W/\"abc\"", "\"x\"", "abc"}) {
        EXPECT_EQ(evaluate({field, {}, {}, {}}, etag, 100).status, 412) << field;
    }
}

TEST(conditions_of_a_request, a_range_holds_only_if_the_tag_is_the_same) {
    EXPECT_EQ(evaluate({{}, {}, "\"abc\"", "bytes=0-1"}, etag, 100).status, 206);
    for (const auto* field : {"\"x\"", "W/\"abc\"", "Mon, 23 Nov 2026 17:00:48 GMT"}) {
        EXPECT_EQ(evaluate({{}, {}, field, "bytes=0-1"}, etag, 100).status, 200) << field;
        EXPECT_EQ(evaluate({{}, {}, field, "bytes=500-"}, etag, 100).status, 200) << field;
    }
}

TEST(conditions_of_a_request, come_before_the_range_in_their_order) {
    EXPECT_EQ(evaluate({"\"x\"", "\"abc\"", {}, "bytes=500-"}, etag, 100).status, 412);
    EXPECT_EQ(evaluate({"\"abc\"", "\"abc\"", {}, "bytes=500-"}, etag, 100).status, 304);
    EXPECT_EQ(evaluate({"\"abc\"", "\"x\"", {}, "bytes=500-"}, etag, 100).status, 416);
}

}  // namespace
}  // namespace vora::gateway
