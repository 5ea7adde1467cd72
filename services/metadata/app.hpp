#pragma once
// The metadata service: the one authority on videos. The executor is the loop that everything here
// runs on.

#include "libs/auth/grant.hpp"
#include "libs/auth/jwt.hpp"
#include "libs/base/async.hpp"
#include "libs/base/clock.hpp"
#include "libs/net/router.hpp"
#include "libs/obs/log.hpp"
#include "libs/obs/metrics.hpp"
#include "services/metadata/config.hpp"

#include <memory>
#include <string>
#include <vector>

namespace vora::durable {
class client;
class activity_source;
}  // namespace vora::durable

namespace vora::metadata {

struct dependency_status {
    std::string name;    // "database", "workflow_engine"
    std::string state;   // "ok", "degraded" (the service works without it), "down"
    std::string detail;  // reason, or empty
};

class app {
 public:
    app(executor ex, blocking_pool& pool, const clock_source& clock, durable::client& engine,
        durable::activity_source& activities, auth::token_verifier verifier, auth::grant_keys keys,
        obs::logger log, obs::metrics& metrics, config settings);
    ~app();
    app(const app&) = delete;

    // Valid as long as this object.
    net::router public_routes();
    net::router internal_routes();

    // Of gRPC, "127.0.0.1:41234"; from start() on.
    std::string grpc_address() const;

    // Opens the database; throws std::runtime_error if it cannot: a start-up error. Nothing runs
    // yet, so that the process can still end.
    void open();
    // Opens what is not open, and the address of gRPC (throws as well), then starts the background
    // loops and the activities.
    void start();
    // Before the server that has the internal routes: its readers of changes are let go here.
    task<> stop();

    task<std::vector<dependency_status>> readiness();

    // An operator's second try at a FAILED video: its new generation. Errors: core/retry.hpp.
    task<result<std::int64_t>> retry_ingest(std::string id, std::int64_t generation);

 private:
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace vora::metadata
