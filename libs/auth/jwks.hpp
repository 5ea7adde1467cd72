#pragma once
// JSON Web Key Sets (RFC 7517, 7518, 8037), read strictly.

#include "libs/auth/public_key.hpp"

namespace vora::auth {

inline constexpr std::size_t jwks_bytes_max = 256 << 10;
inline constexpr std::size_t jwks_keys_max = 64;

// The keys of the set that RS256, ES256 or EdDSA signatures can be checked with. Others are left
// out: for another use, of another kind, curve or algorithm, too short, malformed, without a kid,
// or shown with their private part. data_loss ("bad_jwks") when the text is no key set, has two
// usable keys of one kid, or is beyond the limits.
result<key_set> parse_jwks(std::string_view text);

}  // namespace vora::auth
