#pragma once
// Hears of what other replicas change: LISTEN on a connection of its own, on a thread of its own.
// Private to the adapter.

#include "services/metadata/adapters/postgres_target.hpp"
#include "services/metadata/adapters/postgres_watchdog.hpp"

#include <atomic>
#include <functional>
#include <thread>

namespace vora::metadata {

class postgres_listener {
 public:
    struct ears {
        std::function<void(std::string)> heard;
        // From here on it listens, or no longer does: what was said before or will be may be
        // missed.
        std::function<void()> missed;
    };
    // `channel` is a plain SQL name. Both functions are called on the thread.
    postgres_listener(postgres_target target, std::string channel, postgres_watchdog& watchdog,
                      ears tell);
    ~postgres_listener();
    postgres_listener(const postgres_listener&) = delete;

 private:
    void listen();
    void listen_once(std::size_t host);
    bool pause(int milliseconds);

    postgres_target target_;
    std::string channel_;
    postgres_watchdog& watchdog_;
    ears tell_;
    int wake_;  // an eventfd: readable once this is to stop
    std::atomic<bool> stopping_ = false;
    std::thread thread_;  // last: it uses the others
};

}  // namespace vora::metadata
