#pragma once
// libpq waits for an answer as long as the connection stands, and a server that was stopped keeps
// it standing. Whoever waits past its deadline finds its socket shut down. Private to the adapter.

#include "services/metadata/adapters/postgres_target.hpp"

#include <condition_variable>
#include <list>
#include <mutex>
#include <thread>

namespace vora::metadata {

class postgres_watchdog {
 public:
    postgres_watchdog();
    ~postgres_watchdog();
    postgres_watchdog(const postgres_watchdog&) = delete;

    // As long as it lives, `socket` must stay open.
    class guard {
     public:
        guard(postgres_watchdog& dog, int socket, deadline_point deadline);
        ~guard();
        guard(const guard&) = delete;

     private:
        friend class postgres_watchdog;
        postgres_watchdog& dog_;
        int socket_;
        deadline_point deadline_;
        bool shut_ = false;
        std::list<guard*>::iterator place_;
    };

 private:
    void watch();

    std::mutex mutex_;
    std::condition_variable changed_;
    std::list<guard*> guards_;
    bool stopping_ = false;
    std::thread thread_;  // last: it uses the others
};

}  // namespace vora::metadata
