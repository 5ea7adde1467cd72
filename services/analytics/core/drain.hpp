#pragma once
// From the spool into the event store, in batches, each exactly once.
//
// A batch whose outcome is unknown is sent again with its token for as long as it takes. One that
// is refused is halved until the poison row stands alone; that row goes to quarantine and the rest
// is stored. The table is looked at before anything is halved, so that a lost or foreign table is
// never taken for poison.

#include "libs/base/async.hpp"
#include "services/analytics/core/ports.hpp"

#include <functional>
#include <random>

namespace vora::analytics {

struct drain_options {
    milliseconds flush_after{300};  // how long events wait for company
    std::uint64_t rows_max = 50'000;
    std::uint64_t bytes_max = 4 << 20;
    milliseconds retry_first{200};
    milliseconds retry_max{3'000};
};

// What app makes logs and metrics of.
struct drain_watch {
    std::function<void(const event_batch&, milliseconds took)> stored;
    std::function<void(const event_batch&, const error&)> quarantined;
    // `oldest`: received time of the first event that waits, when known.
    std::function<void(const error&, std::optional<timestamp> oldest)> failed;
};

class drain {
 public:
    drain(executor ex, event_backlog& backlog, event_store& store, drain_options o, drain_watch w);
    drain(const drain&) = delete;

    // Runs until cancelled.
    task<> run();
    // From now on nothing waits for company. Returns when the spool is empty, the store fails, or
    // after `limit`; run() goes on.
    task<> hurry(milliseconds limit);
    // What the last attempt met; nullopt: it went well, or there was none.
    const std::optional<error>& last_failure() const { return failure_; }

 private:
    task<> wait_for_batch();
    task<> deliver(event_batch batch);
    task<result<void>> attempt(const event_batch& batch);
    task<> refused(const event_batch& batch, error why);
    task<> back_off(error why, std::optional<timestamp> oldest);
    void settled();

    event_backlog& backlog_;
    event_store& store_;
    drain_options options_;
    drain_watch watch_;
    wake_signal hurry_;
    wake_signal progress_;
    bool hurrying_ = false;
    bool prepared_ = false;
    std::uint64_t rows_max_;
    milliseconds delay_;
    std::optional<error> failure_;
    std::minstd_rand dice_{std::random_device{}()};
};

}  // namespace vora::analytics
