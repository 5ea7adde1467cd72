#pragma once

#include "libs/base/result.hpp"

#include <string>
#include <string_view>

namespace vora {

std::string hex_encode(std::string_view bytes);         // lower case
result<std::string> hex_decode(std::string_view text);  // either case, even length
std::string base64_encode(std::string_view bytes);      // RFC 4648 section 4, padded
result<std::string> base64_decode(
    std::string_view text);                            // strict: padding required, no trailing bits
std::string base64url_encode(std::string_view bytes);  // RFC 4648 section 5, no padding
result<std::string> base64url_decode(
    std::string_view text);  // strict: no padding, no trailing bits
// "%2F" and friends; a bad escape or a NUL is an error. '+' stays '+'.
result<std::string> percent_decode(std::string_view text);
// Encodes all but unreserved characters (RFC 3986 section 2.3).
std::string percent_encode(std::string_view text);
// Digits only: no sign, no leading "+", no spaces, at most 2^53-1.
result<std::uint64_t> parse_uint(std::string_view digits);
bool is_valid_utf8(std::string_view text);

}  // namespace vora
