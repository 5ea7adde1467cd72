#include "services/dashboard/core/attempt_limiter.hpp"

#include <algorithm>
#include <cmath>

namespace vora::dashboard {

std::chrono::seconds attempt_limiter::wait_of(const std::string& peer, timestamp now) {
    const auto found = accounts_.find(peer);
    if (found == accounts_.end() && accounts_.size() < peers_max) {
        return std::chrono::seconds(0);
    }
    auto& a = found == accounts_.end() ? shared_ : found->second;
    a = paid_off(a, now);
    const auto over = a.spent + 1 - static_cast<double>(per_minute_);
    if (over <= 0) {
        return std::chrono::seconds(0);
    }
    const auto seconds = std::ceil(over * 60 / static_cast<double>(per_minute_));
    return std::chrono::seconds(static_cast<std::int64_t>(seconds));
}

void attempt_limiter::count_refusal(const std::string& peer, timestamp now) {
    auto& a = account_of(peer, now);
    a = paid_off(a, now);
    a.spent += 1;
}

attempt_limiter::account& attempt_limiter::account_of(const std::string& peer, timestamp now) {
    if (const auto found = accounts_.find(peer); found != accounts_.end()) {
        return found->second;
    }
    if (accounts_.size() >= peers_max) {
        std::erase_if(accounts_,
                      [&](const auto& entry) { return paid_off(entry.second, now).spent <= 0; });
    }
    if (accounts_.size() >= peers_max) {
        return shared_;
    }
    return accounts_[peer] = {0, now};
}

attempt_limiter::account attempt_limiter::paid_off(account a, timestamp now) const {
    const auto seconds = std::chrono::duration<double>(now - a.at).count();
    if (seconds > 0) {
        a.spent = std::max(0.0, a.spent - seconds * static_cast<double>(per_minute_) / 60);
    }
    a.at = now;
    return a;
}

}  // namespace vora::dashboard
