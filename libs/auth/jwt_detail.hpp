#pragma once
// The parts of a token after base64, for jwt.cpp and its fuzz target.

#include "libs/auth/jwt.hpp"

#include <string>
#include <string_view>

namespace vora::auth::detail {

inline constexpr std::size_t token_bytes_max = 8 << 10;

struct token_header {
    signature_algorithm algorithm = signature_algorithm::eddsa;
    std::string key_id;
    bool access_token = false;  // typ is "at+jwt" (RFC 9068): other issuers say so
};

result<token_header> read_header(std::string_view json);
// The local issuer's claims.
result<principal> read_claims(std::string_view json, timestamp now);
result<principal> read_foreign_claims(std::string_view json, const issuer_rules& rules,
                                      timestamp now);

}  // namespace vora::auth::detail
