#include "services/metadata/core/breaker.hpp"

#include <algorithm>

namespace vora::metadata {

std::size_t breaker::allowance(timestamp now, std::size_t wanted) const {
    if (wait(now) > 0ms) {
        return 0;
    }
    return failures_ > 0 ? std::min<std::size_t>(1, wanted) : wanted;
}

milliseconds breaker::wait(timestamp now) const {
    // A clock that was set back must not prolong the pause.
    if (failures_ == 0 || now < failed_at_) {
        return 0ms;
    }
    return std::max(0ms, pause_ - (now - failed_at_));
}

void breaker::succeeded() {
    failures_ = 0;
    pause_ = 0ms;
}

void breaker::failed(timestamp now, double jitter) {
    failures_ = std::min(failures_ + 1, options_.failures_max);
    const auto base = is_open() ? std::max(options_.pause_first, pause_ * 2) : options_.pause_first;
    const auto capped = std::min(base, options_.pause_max);
    // Between 3/4 and the whole.
    pause_ = milliseconds(static_cast<std::int64_t>(capped.count() * (1.0 - jitter / 4)));
    failed_at_ = now;
}

}  // namespace vora::metadata
