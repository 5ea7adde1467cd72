#pragma once
// The tus header fields as values. What is not exactly of the form is an error, never guessed at.

#include "libs/base/result.hpp"
#include "libs/net/http.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vora::upload {

inline constexpr std::string_view tus_version = "1.0.0";
inline constexpr std::string_view tus_extensions =
    "creation,creation-with-upload,termination,expiration";
inline constexpr std::string_view offset_content_type = "application/offset+octet-stream";

inline constexpr std::size_t metadata_bytes_max = 8 << 10;
inline constexpr std::size_t metadata_keys_max = 64;

// "key base64,key base64,key": keys are printable ASCII without space and comma and stand once,
// values are strict base64 or absent. Order is kept. invalid_argument ("bad_metadata").
result<std::vector<std::pair<std::string, std::string>>> parse_metadata(std::string_view text);

// A field of digits that must stand exactly once. invalid_argument ("bad_" + lower-case name).
result<std::uint64_t> number_field(const net::headers& headers, std::string_view name);

}  // namespace vora::upload
