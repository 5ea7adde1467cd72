#pragma once
// Slows down who guesses tokens: each refused attempt costs, and the debt is paid off by time.

#include "libs/base/clock.hpp"

#include <chrono>
#include <cstddef>
#include <map>
#include <string>

namespace vora::dashboard {

class attempt_limiter {
 public:
    explicit attempt_limiter(std::size_t per_minute) : per_minute_(per_minute) {}

    // Zero when `peer` may try now; else how long it has to wait.
    std::chrono::seconds wait_of(const std::string& peer, timestamp now);
    void count_refusal(const std::string& peer, timestamp now);

    static constexpr std::size_t peers_max = 1024;

 private:
    struct account {
        double spent = 0;
        timestamp at;
    };
    // Beyond peers_max addresses the new ones share one account, so memory stays bounded.
    account& account_of(const std::string& peer, timestamp now);
    account paid_off(account a, timestamp now) const;

    std::size_t per_minute_;
    std::map<std::string, account> accounts_;
    account shared_;
};

}  // namespace vora::dashboard
