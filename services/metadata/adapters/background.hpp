#pragma once
// The loops that run without a request: the outbox relay (at once after a commit that left a
// message), the settler and the collector of raw objects (at their intervals, and at start). Each
// loop outlives whatever it works on being away; what happened is logged once per change, not once
// per turn.

#include "libs/base/async.hpp"
#include "libs/obs/log.hpp"
#include "libs/obs/metrics.hpp"
#include "services/metadata/core/outbox_relay.hpp"
#include "services/metadata/core/settler.hpp"

namespace vora::metadata {

struct background_options {
    milliseconds relay_poll{2'000};
    milliseconds settle_interval{10'000};
    milliseconds collect_interval{10'000};
    milliseconds forget_interval{600'000};
    milliseconds retry_pause{1'000};  // after the database was away
};

class background {
 public:
    background(executor ex, outbox_relay& relay, settler& sweeps, raw_collector& collector,
               video_repository& repository, const clock_source& clock, background_options options,
               obs::logger log, obs::metrics& metrics);

    void start();
    task<> stop();
    void wake_relay() { relay_wanted_.notify(); }
    void wake_collector() { collector_wanted_.notify(); }

 private:
    task<> relay_loop();
    task<> settle_loop();
    task<> collect_loop();
    task<milliseconds> relay_turn();
    task<> tend_outbox();
    void note_trouble(std::string& last, std::string_view where, const std::string& reason);

    outbox_relay& relay_;
    settler& settler_;
    raw_collector& collector_;
    video_repository& repository_;
    const clock_source& clock_;
    background_options options_;
    obs::logger log_;
    obs::counter& sent_;
    obs::counter& abandoned_;
    obs::counter& settled_;
    obs::counter& restarted_;
    obs::counter& collected_;
    obs::gauge& pending_;
    obs::gauge& oldest_seconds_;
    obs::gauge& breaker_open_;
    std::chrono::steady_clock::time_point forget_at_{};
    std::string relay_trouble_;
    std::string settle_trouble_;
    std::string collect_trouble_;
    wake_signal relay_wanted_;
    wake_signal collector_wanted_;
    task_group tasks_;
};

}  // namespace vora::metadata
