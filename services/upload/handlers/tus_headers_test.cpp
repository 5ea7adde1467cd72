#include "services/upload/handlers/tus_headers.hpp"

#include <gtest/gtest.h>

namespace vora::upload {
namespace {

using pairs = std::vector<std::pair<std::string, std::string>>;

TEST(upload_metadata, pairs_are_read_in_order_and_decoded) {
    auto r = parse_metadata("filename YS5iaW4=,empty,type dGV4dA==");
    ASSERT_TRUE(r.has_value()) << r.error().detail;
    EXPECT_EQ(*r, (pairs{{"filename", "a.bin"}, {"empty", ""}, {"type", "text"}}));
    EXPECT_EQ(parse_metadata("")->size(), 0u);
    EXPECT_EQ(parse_metadata("a YQ==, b Yg==")->size(), 2u);
}

TEST(upload_metadata, what_breaks_a_rule_is_refused) {
    std::string many;
    for (int i = 0; i < 65; ++i) {
        many += (i == 0 ? "" : ",") + std::string("k") + std::to_string(i) + " YQ==";
    }
    for (const std::string& bad :
         {std::string("filename not*base64"), std::string("a YQ==,a Yg=="), std::string("a YQ==,"),
          std::string(",a YQ=="), std::string("a b c"), std::string("a YQ"), std::string("a YR=="),
          std::string("f\xc3\xa4 YQ=="), std::string("a\r\nb YQ=="), std::string("a  YQ=="), many,
          "big " + std::string(9000, 'A')}) {
        auto r = parse_metadata(bad);
        ASSERT_FALSE(r.has_value()) << bad;
        EXPECT_EQ(r.error().reason, "bad_metadata");
    }
}

TEST(number_field, takes_plain_digits_once) {
    net::headers h;
    h.set("Upload-Length", "1234");
    EXPECT_EQ(*number_field(h, "Upload-Length"), 1234u);
    for (const auto* bad :
         {"", " ", "-1", "+5", "5.0", "1e3", "0x10", "five", "5 5", "9223372036854775808",
          "9007199254740992", "1111111111111111111111111111111111111111"}) {
        h.set("Upload-Length", bad);
        auto r = number_field(h, "Upload-Length");
        ASSERT_FALSE(r.has_value()) << bad;
        EXPECT_EQ(r.error().reason, "bad_upload_length");
    }
    h.set("Upload-Length", "5");
    h.add("Upload-Length", "6");
    EXPECT_FALSE(number_field(h, "Upload-Length").has_value());
    EXPECT_FALSE(number_field(h, "Upload-Offset").has_value());
}

}  // namespace
}  // namespace vora::upload
