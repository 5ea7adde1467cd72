#pragma once
// The Analytics Service: takes playback events in, keeps them on disk, stores them in ClickHouse.
// Answers no questions about them.

#include "libs/base/async.hpp"
#include "libs/base/clock.hpp"
#include "libs/net/router.hpp"
#include "libs/obs/log.hpp"
#include "libs/obs/metrics.hpp"
#include "services/analytics/config.hpp"

#include <functional>
#include <memory>

namespace vora::clickhouse {
class client;
}

namespace vora::analytics {

class event_spill;
class ledger;

// What a spill is made of.
struct spill_parts {
    executor ex;
    const clock_source& clock;
    ledger& books;
    obs::logger log;
};
using spill_maker = std::function<std::unique_ptr<event_spill>(const spill_parts&)>;

class app {
 public:
    // References must outlive the app. `spill`: what lies between ingest and drain; by default the
    // spool on disk.
    app(executor ex, blocking_pool& pool, const clock_source& clock, clickhouse::client& engine,
        obs::logger log, obs::metrics& metrics, config c, const spill_maker& spill = {});
    ~app();
    app(const app&) = delete;

    // POST and OPTIONS /v1/events. Valid as long as the app.
    net::router public_routes();
    // Never fails: a spool that cannot be used drops events and counts them.
    task<> start();
    // After the server that has the routes was stopped: stores what it can within two seconds, the
    // rest stays spooled.
    task<> stop();

 private:
    struct parts;
    std::unique_ptr<parts> parts_;
};

}  // namespace vora::analytics
