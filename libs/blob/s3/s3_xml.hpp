#pragma once
// The XML that S3 answers with, and the little that is sent. Strict about what is used, blind to
// the rest; no entity but the five of XML is known.

#include "libs/blob/blob.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace vora::blob {

// An answer larger than this is not read: 1,000 keys of full length take less.
inline constexpr std::size_t s3_xml_bytes_max = 4 << 20;

struct s3_page {
    std::vector<object_info> objects;
    bool truncated = false;
};
struct s3_parts_page {
    std::vector<part_info> parts;
    bool truncated = false;
    std::uint32_t next_marker = 0;
};

// All: unavailable ("storage_bad_answer") when it is not what S3 says it answers.
result<s3_page> parse_list_objects(std::string_view xml);
result<s3_parts_page> parse_list_parts(std::string_view xml);
result<std::string> parse_begin_multipart(std::string_view xml);     // the upload id
result<std::string> parse_complete_multipart(std::string_view xml);  // the etag
// The code of the first key that was not removed; "" when all were.
result<std::string> parse_removed(std::string_view xml);
// The code of an error answer, or "" when there is none. Never fails: error answers of proxies are
// not XML.
std::string s3_error_code(std::string_view xml);

std::string complete_multipart_xml(const std::vector<part_info>& parts);
std::string remove_xml(const std::vector<object_info>& objects);

}  // namespace vora::blob
