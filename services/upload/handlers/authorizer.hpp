#pragma once
// Who may: a grant in the URL or in the header, or a token with scope edit. On every method.

#include "libs/auth/grant.hpp"
#include "libs/auth/jwt.hpp"
#include "libs/base/clock.hpp"
#include "libs/net/http.hpp"
#include "services/upload/core/upload.hpp"

#include <string>

namespace vora::upload {

struct authorized {
    access who;
    std::string grant;  // the text, when it was a grant
};

class authorizer {
 public:
    authorizer(const auth::grant_keys& grants, auth::token_verifier tokens,
               const clock_source& clock);

    // `?grant=GRANT` first, else `Authorization: Bearer GRANT-OR-TOKEN`. unauthenticated; or
    // permission_denied ("scope_too_small").
    result<authorized> authorize(const net::request& r) const;

 private:
    result<authorized> by_grant(std::string_view text) const;
    result<authorized> by_token(std::string_view text) const;

    const auth::grant_keys& grants_;
    auth::token_verifier tokens_;
    const clock_source& clock_;
};

}  // namespace vora::upload
