#pragma once
// The Dashboard: the web page and the sessions of its users. It has no database and no store;
// everything the page shows comes from the API.

#include "libs/auth/jwt.hpp"
#include "libs/base/async.hpp"
#include "libs/base/clock.hpp"
#include "libs/net/router.hpp"
#include "libs/obs/log.hpp"
#include "libs/obs/metrics.hpp"
#include "services/dashboard/config.hpp"

#include <memory>
#include <string>

namespace vora::dashboard {

class app {
 public:
    // References must outlive the app. Throws std::runtime_error when a public URL is none.
    app(executor ex, const auth::token_issuer& issuer, auth::token_verifier verifier,
        const clock_source& clock, obs::logger log, obs::metrics& metrics, config c);
    ~app();
    app(const app&) = delete;

    // "/", "/watch/{id}", "/assets/{name}", "/session", "/session/links". Valid as long as the app.
    net::router public_routes();
    // "/?token=" + this signs a browser in, once.
    std::string new_one_time_token();
    // Nothing runs between requests; here so that all services stop alike.
    task<> stop();

 private:
    struct parts;
    std::unique_ptr<parts> parts_;
};

}  // namespace vora::dashboard
