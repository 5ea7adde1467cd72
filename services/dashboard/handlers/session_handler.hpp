#pragma once
// Signing in and out. A session is a signed token in a cookie: nothing is stored here but the links
// that were not used yet. Every other service verifies the cookie by itself.

#include "libs/auth/jwt.hpp"
#include "libs/base/clock.hpp"
#include "libs/net/router.hpp"
#include "libs/obs/log.hpp"
#include "libs/obs/metrics.hpp"
#include "services/dashboard/core/attempt_limiter.hpp"
#include "services/dashboard/core/one_time_links.hpp"

#include <chrono>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace vora::dashboard {

class session_handler {
 public:
    struct options {
        std::chrono::seconds session_ttl;
        std::string api_base;  // its pages are ours too; may be empty
    };

    session_handler(one_time_links& links, attempt_limiter& attempts,
                    const auth::token_issuer& issuer, auth::token_verifier verifier,
                    const clock_source& clock, obs::logger log, obs::metrics& metrics, options o);

    // GET, POST and DELETE /session; POST /session/links.
    net::router routes();
    // GET /?token=...: to the page, signed in, or to the sign-in page with a message.
    net::response sign_in_by_link(net::request& r, std::string_view token);
    // Who calls, by bearer token or by cookie; a cookie alone may not change anything unless the
    // request is from our own page. Else the answer to send.
    std::expected<auth::principal, net::response> caller(const net::request& r, bool changes) const;

 private:
    task<net::response> sign_in_by_token(net::request& r);
    net::response show(net::request& r);
    net::response sign_out(net::request& r);
    net::response make_link(net::request& r);

    std::optional<net::response> limited(const net::request& r, std::string_view how);
    void refused(const net::request& r, std::string_view how, const std::string& reason);
    void count(std::string_view how, std::string_view outcome);

    one_time_links& links_;
    attempt_limiter& attempts_;
    const auth::token_issuer& issuer_;
    auth::token_verifier verifier_;
    const clock_source& clock_;
    obs::logger log_;
    obs::metrics& metrics_;
    options options_;
};

}  // namespace vora::dashboard
