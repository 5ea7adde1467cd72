#pragma once
// Hears from metadata which videos have changed: GET {url}/internal/playback/changes, one question
// after the other, each waiting there until there is something to tell (contracts/internal). While
// that works the cache may keep what it knows; when it does not, the cache is told so and asks for
// itself again, and a new connection goes on where the last one ended.

#include "libs/base/async.hpp"
#include "libs/net/client.hpp"
#include "libs/obs/log.hpp"
#include "libs/obs/metrics.hpp"
#include "services/gateway/core/playback_cache.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace vora::gateway {

struct told_changes {
    std::string epoch;
    std::uint64_t last = 0;
    bool missed = false;
    std::vector<std::string> videos;
};

// The answer's body; internal ("bad_changes_answer") when it is not what the contract says.
result<told_changes> parse_changes_answer(const std::string& body);

class http_change_listener {
 public:
    struct options {
        std::string url;  // "http://HOST:PORT"
        std::string secret;
        seconds wait{10};           // of one question
        milliseconds margin{2000};  // beyond which metadata is away
        // Called when the cache knows of it: these videos, or any when `all`.
        std::function<void(const std::vector<std::string>& videos, bool all)> on_change;
    };
    http_change_listener(executor ex, options o, playback_cache& cache, obs::logger log,
                         obs::metrics& metrics);
    http_change_listener(const http_change_listener&) = delete;
    void start();
    task<> stop();

 private:
    task<> run();
    task<result<told_changes>> ask();
    void hear(told_changes told);
    void note(bool hears, const error* why);

    net::client client_;
    options options_;
    playback_cache& cache_;
    obs::logger log_;
    obs::counter& changes_;
    obs::counter& missed_;
    obs::gauge& live_;
    task_group group_;
    std::string epoch_;
    std::uint64_t last_ = 0;
    bool hears_ = false;
    bool told_away_ = false;
};

}  // namespace vora::gateway
