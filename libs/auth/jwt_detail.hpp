#pragma once
// The parts of a token after base64, for jwt.cpp and its fuzz target.

#include "libs/auth/jwt.hpp"

#include <string>
#include <string_view>

namespace vora::auth::detail {

inline constexpr std::size_t token_bytes_max = 8 << 10;

// The key id of a protected header that asks for nothing but Ed25519.
result<std::string> read_header(std::string_view json);
result<principal> read_claims(std::string_view json, timestamp now);

}  // namespace vora::auth::detail
