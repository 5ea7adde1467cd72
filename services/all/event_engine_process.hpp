#pragma once
// The embedded engine's child process: started, watched, ended.

#include "libs/base/async.hpp"
#include "libs/clickhouse/client.hpp"
#include "libs/net/client.hpp"
#include "libs/obs/log.hpp"
#include "libs/obs/metrics.hpp"
#include "services/all/child.hpp"

#include <chrono>
#include <csignal>
#include <optional>
#include <string>

namespace vora::all {

class event_engine_process {
 public:
    struct options {
        std::string program;    // vora-event-engine
        std::string data_path;  // absolute; this process's alone
        std::string log_file;   // what the child prints to stderr
        std::chrono::milliseconds ping_interval{2'000};
        // Without an answer for so long it is stuck for good. Long statements do not count: pings
        // are answered beside them.
        std::chrono::milliseconds silence_max{90'000};
    };

    event_engine_process(blocking_pool& pool, net::client& http, options o, obs::logger log,
                         obs::metrics& metrics);

    // One life: ends what an earlier run left on our files, starts the child, returns when it has
    // ended. `why` it ended, for people.
    task<std::string> live(std::string library);
    // Asks the child to end and kills it when it does not; live() then returns.
    task<> stop();

    // While it serves.
    std::optional<clickhouse::endpoint> where() const { return where_; }
    // It answered the last ping.
    bool answers() const { return answers_; }
    // The last life came as far as serving, or was killed from outside: no reason to think that the
    // next one fails too.
    bool promising() const { return served_ || child_.exit() == -SIGKILL; }

 private:
    task<result<void>> end_strays();
    task<std::string> serve();
    task<> look_after();
    void read_memory();
    void ended();

    blocking_pool& pool_;
    net::client& http_;
    options options_;
    obs::logger log_;
    obs::gauge& up_;
    obs::counter& restarts_;
    obs::gauge& resident_;
    obs::gauge& anonymous_;
    child child_;
    std::optional<clickhouse::endpoint> where_;
    bool answers_ = false;
    bool served_ = false;
    bool stopping_ = false;
    bool started_ = false;
    std::chrono::steady_clock::time_point answered_;
};

}  // namespace vora::all
