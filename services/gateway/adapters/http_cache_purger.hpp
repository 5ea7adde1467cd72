#pragma once
// Tells the shared caches in front of the gateway (Varnish, deploy/varnish) what they may no longer
// have: PURGE {url}/ with the keys "v:{video id}", or "vora" for everything.
//
// Each cache has a queue of its own, so one that is away holds up no other; what it has not
// acknowledged is sent again until it has. A key is sent a second time a moment later: an answer
// that was decided before the change may have reached the cache after the first.

#include "libs/base/async.hpp"
#include "libs/base/clock.hpp"
#include "libs/net/client.hpp"
#include "libs/obs/log.hpp"
#include "libs/obs/metrics.hpp"

#include <chrono>
#include <deque>
#include <list>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vora::gateway {

// "http://HOST:PORT", with commas between several; blanks do not count.
std::vector<std::string> split_purge_urls(std::string_view text);

class http_cache_purger {
 public:
    struct options {
        std::vector<std::string> urls;
        std::string secret;
        std::string method = "PURGE";
        milliseconds deadline{1000};
        milliseconds again_after{1000};
        std::size_t pending_max = 10'000;  // more at once: everything
    };
    http_cache_purger(executor ex, options o, obs::logger log, obs::metrics& metrics);
    ~http_cache_purger();
    http_cache_purger(const http_cache_purger&) = delete;

    void start();
    task<> stop();
    void purge(const std::vector<std::string>& videos);
    void purge_all();

 private:
    using moment = std::chrono::steady_clock::time_point;
    struct front_cache;

    void add(const std::vector<std::string>& keys);
    task<> run(front_cache& c);
    task<result<void>> send(const front_cache& c, std::string keys);
    void note(front_cache& c, const result<void>& sent);
    void show_pending();

    net::client client_;
    options options_;
    obs::logger log_;
    obs::counter& done_;
    obs::counter& failed_;
    obs::gauge& pending_;
    task_group group_;
    std::list<front_cache> caches_;
};

}  // namespace vora::gateway
