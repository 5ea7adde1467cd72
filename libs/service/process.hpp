#pragma once
// The frame of a stand-alone service: command line and configuration, log, one loop, listeners,
// /livez /readyz /metrics, and an orderly end. What differs stands in a `program`; its composition
// (services/NAME/process) reads like a list of what the service may have.

#include "libs/base/async.hpp"
#include "libs/base/clock.hpp"
#include "libs/net/router.hpp"
#include "libs/obs/log.hpp"
#include "libs/obs/metrics.hpp"
#include "libs/service/health.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace vora::config {
class schema;
}

namespace vora::service {

// What a service is given. All of it outlives the service.
struct host {
    executor ex;
    blocking_pool& pool;
    const clock_source& clock;
    obs::logger log;
    obs::metrics& metrics;
    std::string public_address;  // as bound, "127.0.0.1:41234"; empty: no such listener
    std::string internal_address;
};

// A service that is wired. Its routes refer to it.
class instance {
 public:
    virtual ~instance() = default;
    virtual net::router public_routes() { return {}; }
    virtual net::router internal_routes() { return {}; }
    virtual net::router admin_routes() { return {}; }
    virtual std::vector<dependency> dependencies() = 0;
    // Before the public and the internal listener accept. An error, or an exception that is a
    // std::exception, ends the process with its words.
    virtual task<result<void>> start() = 0;
    // After the public listener has stopped, while the internal one still answers; also after a
    // start() that failed.
    virtual task<> stop() = 0;
};

struct program {
    std::string name;       // "vora-upload"
    std::string about;      // one line
    bool front = true;      // has a public listener: server.listen
    bool internal = false;  // server.internal_listen
    std::string open_path;  // of the public listener (net::server_options)
    // The keys, beside those of every process (settings.hpp).
    std::function<void(config::schema&)> bind;
    // What is wrong or missing, each in words that name the key; all are shown.
    std::function<std::vector<std::string>()> check;
    // Throws std::runtime_error for what cannot be opened.
    std::function<std::unique_ptr<instance>(const host&)> make;
};

// A program of Settings (bind(schema&), check()) and an Instance made of (const host&, const
// Settings&).
template <class Settings, class Instance>
program program_of(std::string name, std::string about) {
    const auto s = std::make_shared<Settings>();
    program p;
    p.name = std::move(name);
    p.about = std::move(about);
    p.bind = [s](config::schema& schema) { s->bind(schema); };
    p.check = [s] { return s->check(); };
    p.make = [s](const host& h) { return std::make_unique<Instance>(h, *s); };
    return p;
}

// The whole life of the process; returns its exit code: 0 after SIGTERM or SIGINT, 1 when it
// cannot start, 2 for a command line that makes no sense. --help and --check only print. Once it
// serves it says so with one line of JSON on stdout: {"service", "pid", "public", "internal",
// "admin"}.
int run(int argc, char** argv, const program& p);

// For program::check: "KEY is needed" of the first of each pair whose value is empty.
std::vector<std::string> missing(
    std::initializer_list<std::pair<const char*, const std::string&>> needed);

}  // namespace vora::service
