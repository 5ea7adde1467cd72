#pragma once
// POST /v1/events: anybody, from any page. Answered when the events are in the spool.

#include "libs/base/clock.hpp"
#include "libs/net/router.hpp"
#include "services/analytics/core/ports.hpp"
#include "services/analytics/handlers/event_json.hpp"

namespace vora::analytics {

class ingest {
 public:
    ingest(event_sink& sink, ledger& books, const clock_source& clock)
        : sink_(sink), books_(books), clock_(clock) {}
    ingest(const ingest&) = delete;

    // Valid as long as this.
    net::router routes();

 private:
    task<net::response> post(net::request& r);
    task<result<std::string>> read_body(net::request& r);

    event_sink& sink_;
    ledger& books_;
    const clock_source& clock_;
    event_parser parser_;
};

}  // namespace vora::analytics
