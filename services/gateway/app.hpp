#pragma once
// The Streaming Gateway: playback under /play. Reads only.

#include "libs/auth/grant.hpp"
#include "libs/base/async.hpp"
#include "libs/base/clock.hpp"
#include "libs/blob/blob.hpp"
#include "libs/net/router.hpp"
#include "libs/obs/log.hpp"
#include "libs/obs/metrics.hpp"
#include "services/gateway/config.hpp"

#include <memory>

namespace vora::gateway {

class app {
 public:
    // `processed` is the bucket of streamable data. References must outlive the app.
    app(executor ex, blob::reader& processed, auth::grant_keys keys, const clock_source& clock,
        obs::logger log, obs::metrics& metrics, config c);
    ~app();
    app(const app&) = delete;

    // Valid as long as the app.
    net::router public_routes();
    // Begins to listen for changes of videos. Without it, and while metadata does not answer, an
    // answer of metadata serves for a second.
    void start();
    // After the server that has the routes was stopped.
    task<> stop();

 private:
    struct parts;
    std::unique_ptr<parts> parts_;
};

}  // namespace vora::gateway
