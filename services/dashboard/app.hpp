#pragma once
// The Dashboard: the web page, the sessions of its users, and the analytics queries. It has no
// store of its own; what the page shows comes from the API, the figures from the event store.

#include "libs/auth/jwt.hpp"
#include "libs/base/async.hpp"
#include "libs/base/clock.hpp"
#include "libs/net/router.hpp"
#include "libs/obs/log.hpp"
#include "libs/obs/metrics.hpp"
#include "services/dashboard/config.hpp"

#include <memory>
#include <string>

namespace vora::clickhouse {
class client;
}

namespace vora::dashboard {

class app {
 public:
    // References must outlive the app. Without an event store there are no analytics. Throws
    // std::runtime_error when a public URL is none.
    app(executor ex, const auth::token_issuer& issuer, auth::token_verifier verifier,
        const clock_source& clock, obs::logger log, obs::metrics& metrics, config c,
        clickhouse::client* events = nullptr);
    ~app();
    app(const app&) = delete;

    // "/", "/watch/{id}", "/analytics/...", "/embed/{id}", "/assets/{name}", "/session",
    // "/session/links", "/v1/analytics...". Valid as long as the app.
    net::router public_routes();
    // "/?token=" + this signs a browser in, once.
    std::string new_one_time_token();
    // After the listeners: questions to other services end.
    task<> stop();

 private:
    struct figures;
    struct parts;
    std::unique_ptr<parts> parts_;
};

}  // namespace vora::dashboard
