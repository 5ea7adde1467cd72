#pragma once
// A circuit breaker: after `failures_max` failures in a row nothing is tried until a pause is over,
// then one probe at a time. The pause doubles with each failed probe, with jitter, up to a limit.

#include "libs/base/clock.hpp"

#include <chrono>
#include <cstdint>

namespace vora::metadata {

struct breaker_options {
    int failures_max = 3;
    milliseconds pause_first{250};
    milliseconds pause_max{15'000};
};

class breaker {
 public:
    explicit breaker(breaker_options options) : options_(options) {}

    bool is_open() const { return failures_ >= options_.failures_max; }
    // How many calls may be made now: 0, 1 (a probe) or `wanted`.
    std::size_t allowance(timestamp now, std::size_t wanted) const;
    // Until the next call may be made; 0 = now.
    milliseconds wait(timestamp now) const;
    void succeeded();
    // `jitter` in [0, 1).
    void failed(timestamp now, double jitter);

 private:
    breaker_options options_;
    int failures_ = 0;
    milliseconds pause_{0};
    timestamp failed_at_{};
};

}  // namespace vora::metadata
