#pragma once
// Who calls, and whether he may: a bearer token, or a session cookie that holds one. A cookie is
// sent by the browser on its own, so for methods that change something the page must be ours.

#include "libs/auth/jwt.hpp"
#include "libs/net/http.hpp"

#include <expected>
#include <string>

namespace vora::metadata {

class authenticator {
 public:
    // `api_base`: the public base URL of the API if one is configured: its pages are ours too.
    authenticator(auth::token_verifier verifier, const clock_source& clock, std::string api_base);
    // The caller with at least this scope, or the answer to send: 401, or 403
    // ("insufficient_scope", "cross_site_request"). Waits only for a key that is not known yet.
    task<std::expected<auth::principal, net::response>> authenticate(const net::request& r,
                                                                     auth::scope needed) const;
    // The same without HTTP: unauthenticated, permission_denied ("insufficient_scope").
    task<result<auth::principal>> authenticate(std::string token, auth::scope needed) const;

 private:
    auth::token_verifier verifier_;
    const clock_source& clock_;
    std::string api_base_;
};

}  // namespace vora::metadata
