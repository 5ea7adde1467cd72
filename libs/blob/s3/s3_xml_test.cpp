#include "libs/blob/s3/s3_xml.hpp"

#include <gtest/gtest.h>

namespace vora::blob {
namespace {

std::string reason(const auto& r) {
    return r ? "ok" : r.error().reason;
}

std::string object_xml(const std::string& key) {
    return "<Contents><Key>" + key +
           "</Key><LastModified>2026-11-24T01:02:03.004Z</LastModified>"
           "<ETag>&quot;abc&quot;</ETag><Size>5</Size></Contents>";
}

TEST(s3_xml, reads_a_page_of_objects) {
    auto page = parse_list_objects(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult "
        "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name>"
        "<IsTruncated>true</IsTruncated>" +
        object_xml("a/1") + object_xml("a/2") + "</ListBucketResult>");
    ASSERT_TRUE(page) << page.error().detail;
    EXPECT_TRUE(page->truncated);
    ASSERT_EQ(page->objects.size(), 2u);
    EXPECT_EQ(page->objects[1].key, "a/2");
    EXPECT_EQ(page->objects[1].size_bytes, 5u);
    EXPECT_EQ(page->objects[1].etag, "\"abc\"");
    EXPECT_EQ(to_rfc3339(page->objects[1].modified), "2026-11-24T01:02:03.004Z");
}

TEST(s3_xml, refuses_pages_that_are_not_sound) {
    for (const std::string& body :
         {std::string(), std::string("<html>"), std::string("<ListBucketResult>"),
          std::string("<Other></Other>"),
          "<ListBucketResult>" + object_xml("b") + object_xml("a") + "</ListBucketResult>",
          "<ListBucketResult>" + object_xml("") + "</ListBucketResult>",
          std::string("<ListBucketResult><Contents><Key>k</Key></Contents></ListBucketResult>")}) {
        EXPECT_EQ(reason(parse_list_objects(body)), "storage_bad_answer") << body;
    }
}

TEST(s3_xml, reads_a_page_of_parts) {
    auto page = parse_list_parts(
        "<ListPartsResult><IsTruncated>true</IsTruncated><NextPartNumberMarker>2"
        "</NextPartNumberMarker><Part><PartNumber>1</PartNumber><ETag>\"x1\"</ETag><Size>7</Size>"
        "<ChecksumCRC32C>4waSgw==</ChecksumCRC32C></Part><Part><PartNumber>2</PartNumber><ETag>x2</"
        "ETag><Size>8</Size>"
        "<ChecksumCRC32C>&lt;no checksum&gt;</ChecksumCRC32C></Part></ListPartsResult>");
    ASSERT_TRUE(page) << page.error().detail;
    ASSERT_EQ(page->parts.size(), 2u);
    EXPECT_EQ(page->parts[1].etag, "\"x2\"");
    EXPECT_EQ(page->parts[1].size_bytes, 8u);
    EXPECT_EQ(page->parts[0].checksum, "4waSgw==");
    EXPECT_EQ(page->parts[1].checksum, "");
    EXPECT_EQ(page->next_marker, 2u);
    for (const std::string number : {"0", "-1", "10001", "x", ""}) {
        EXPECT_EQ(reason(parse_list_parts("<ListPartsResult><Part><PartNumber>" + number +
                                          "</PartNumber><ETag>\"x\"</ETag><Size>1</Size></Part>"
                                          "</ListPartsResult>")),
                  "storage_bad_answer");
    }
    EXPECT_EQ(reason(parse_list_parts(
                  "<ListPartsResult><IsTruncated>true</IsTruncated></ListPartsResult>")),
              "storage_bad_answer");
}

TEST(s3_xml, reads_ids_etags_and_codes) {
    EXPECT_EQ(parse_begin_multipart("<InitiateMultipartUploadResult><UploadId>u-1</UploadId>"
                                    "</InitiateMultipartUploadResult>"),
              "u-1");
    EXPECT_EQ(
        parse_complete_multipart("\n  <CompleteMultipartUploadResult><ETag>&#34;e-2&#34;</ETag>"
                                 "</CompleteMultipartUploadResult>"),
        "\"e-2\"");
    EXPECT_EQ(reason(parse_complete_multipart("<Error><Code>InternalError</Code></Error>")),
              "storage_bad_answer");
    EXPECT_EQ(s3_error_code("<Error><Code>SlowDown</Code></Error>"), "SlowDown");
    EXPECT_EQ(s3_error_code("502 Bad Gateway"), "");
    EXPECT_EQ(parse_removed("<DeleteResult></DeleteResult>"), "");
    EXPECT_EQ(parse_removed("<DeleteResult><Error><Code>AccessDenied</Code></Error>"
                            "</DeleteResult>"),
              "AccessDenied");
}

TEST(s3_xml, knows_no_entities_of_the_document) {
    EXPECT_EQ(s3_error_code("<!DOCTYPE e [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>"
                            "<Error><Code>&x;</Code></Error>"),
              "&x;");
}

TEST(s3_xml, survives_a_document_that_is_nothing_but_depth) {
    std::string deep;
    for (int i = 0; i < 500'000; ++i) {
        deep += "<a>";
    }
    EXPECT_EQ(s3_error_code(deep), "");
    EXPECT_EQ(reason(parse_list_objects(std::string(s3_xml_bytes_max + 1, ' '))),
              "storage_bad_answer");
}

TEST(s3_xml, writes_what_s3_reads) {
    EXPECT_EQ(complete_multipart_xml({{1, 5, "\"a\"", "4waSgw=="}, {2, 6, "\"<&\""}}),
              "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>&quot;a&quot;</ETag>"
              "<ChecksumCRC32C>4waSgw==</ChecksumCRC32C></Part><Part><PartNumber>2</"
              "PartNumber><ETag>&quot;&lt;&amp;&quot;</ETag></Part>"
              "</CompleteMultipartUpload>");
    EXPECT_EQ(remove_xml({{"a/b", 0, "", {}}}),
              "<Delete><Quiet>true</Quiet><Object><Key>a/b</Key></Object></Delete>");
}

}  // namespace
}  // namespace vora::blob
