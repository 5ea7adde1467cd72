#include "services/metadata/adapters/postgres_watchdog.hpp"

#include <sys/socket.h>

#include <algorithm>

namespace vora::metadata {

postgres_watchdog::postgres_watchdog() : thread_([this] { watch(); }) {}

postgres_watchdog::~postgres_watchdog() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_one();
    thread_.join();
}

postgres_watchdog::guard::guard(postgres_watchdog& dog, int socket, deadline_point deadline)
    : dog_(dog), socket_(socket), deadline_(deadline) {
    {
        const std::lock_guard lock(dog_.mutex_);
        place_ = dog_.guards_.insert(dog_.guards_.end(), this);
    }
    dog_.changed_.notify_one();
}

postgres_watchdog::guard::~guard() {
    const std::lock_guard lock(dog_.mutex_);
    dog_.guards_.erase(place_);
}

void postgres_watchdog::watch() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        const auto now = std::chrono::steady_clock::now();
        auto next = now + std::chrono::hours(1);
        for (auto* g : guards_) {
            if (g->shut_) {
                continue;
            }
            if (g->deadline_ <= now) {
                g->shut_ = true;
                ::shutdown(g->socket_, SHUT_RDWR);
            } else {
                next = std::min(next, g->deadline_);
            }
        }
        changed_.wait_until(lock, next);
    }
}

}  // namespace vora::metadata
