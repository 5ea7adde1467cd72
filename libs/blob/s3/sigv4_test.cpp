#include "libs/blob/s3/sigv4.hpp"

#include "libs/base/encoding.hpp"

#include <gtest/gtest.h>

namespace vora::blob {
namespace {

// The examples of AWS's own documentation ("Signature Calculations for the Authorization Header" of
// Amazon S3, and "Create a signed AWS API request" of IAM), with the keys that are printed there.
constexpr auto empty_hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

timestamp example_time() {
    return *from_rfc3339("2013-05-24T00:00:00.000Z");
}

sigv4_signer example_signer() {
    return {"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1", "s3"};
}

sigv4_request example(std::string method, std::string path, std::string hash = empty_hash) {
    return {std::move(method),
            std::move(path),
            {},
            {{"host", "examplebucket.s3.amazonaws.com"},
             {"x-amz-content-sha256", hash},
             {"x-amz-date", "20130524T000000Z"}},
            hash};
}

std::string signature_of(const sigv4_request& r) {
    const auto header = example_signer().authorization(r, example_time());
    return header.substr(header.rfind('=') + 1);
}

TEST(sigv4, signs_the_published_get_with_a_range) {
    auto r = example("GET", "/test.txt");
    r.headers.emplace_back("range", "bytes=0-9");
    EXPECT_EQ(example_signer().authorization(r, example_time()),
              "AWS4-HMAC-SHA256 "
              "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
              "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
              "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

TEST(sigv4, builds_the_published_canonical_request) {
    auto r = example("GET", "/test.txt");
    r.headers.emplace_back("range", "bytes=0-9");
    EXPECT_EQ(canonical_request(r),
              "GET\n/test.txt\n\nhost:examplebucket.s3.amazonaws.com\nrange:bytes=0-9\n"
              "x-amz-content-sha256:" +
                  std::string(empty_hash) +
                  "\nx-amz-date:20130524T000000Z\n\n"
                  "host;range;x-amz-content-sha256;x-amz-date\n" +
                  empty_hash);
}

TEST(sigv4, signs_the_published_put) {
    auto r = example("PUT", "/test%24file.text",
                     "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072");
    r.headers.emplace_back("date", "Fri, 24 May 2013 00:00:00 GMT");
    r.headers.emplace_back("x-amz-storage-class", "REDUCED_REDUNDANCY");
    EXPECT_EQ(signature_of(r), "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

TEST(sigv4, signs_the_published_lifecycle_query_without_value) {
    auto r = example("GET", "/");
    r.query = {{"lifecycle", ""}};
    EXPECT_EQ(signature_of(r), "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
}

TEST(sigv4, signs_the_published_list_with_its_query_in_any_order) {
    auto r = example("GET", "/");
    r.query = {{"prefix", "J"}, {"max-keys", "2"}};
    EXPECT_EQ(signature_of(r), "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

TEST(sigv4, derives_the_published_signing_key) {
    sigv4_signer signer("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "us-east-1",
                        "iam");
    EXPECT_EQ(hex_encode(signer.signing_key("20150830")),
              "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9");
}

TEST(sigv4, signs_the_published_request_of_another_service) {
    sigv4_signer signer("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "us-east-1",
                        "iam");
    const sigv4_request r{"GET",
                          "/",
                          {{"Version", "2010-05-08"}, {"Action", "ListUsers"}},
                          {{"host", "iam.amazonaws.com"},
                           {"content-type", "application/x-www-form-urlencoded; charset=utf-8"},
                           {"x-amz-date", "20150830T123600Z"}},
                          empty_hash};
    const auto header = signer.authorization(r, *from_rfc3339("2015-08-30T12:36:00.000Z"));
    EXPECT_TRUE(header.ends_with(
        "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"))
        << header;
}

TEST(sigv4, the_key_changes_with_the_day) {
    auto signer = example_signer();
    const std::string first = signer.signing_key("20130524");
    EXPECT_EQ(signer.signing_key("20130524"), first);
    EXPECT_NE(signer.signing_key("20130525"), first);
    EXPECT_EQ(signer.signing_key("20130524"), first);
}

TEST(sigv4, values_lose_outer_blanks_and_queries_are_encoded) {
    auto r = example("GET", "/");
    r.headers.emplace_back("x-amz-meta", "  a   b ");
    EXPECT_NE(canonical_request(r).find("x-amz-meta:a b\n"), std::string::npos);
    EXPECT_EQ(canonical_query({{"b", "1/2"}, {"a", "x y"}, {"a", "-"}}), "a=-&a=x%20y&b=1%2F2");
}

TEST(sigv4, tells_the_time_to_the_second) {
    EXPECT_EQ(to_amz_date(*from_rfc3339("2026-11-03T04:05:06.789Z")), "20261103T040506Z");
}

}  // namespace
}  // namespace vora::blob
