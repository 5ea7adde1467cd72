#pragma once
// Where the events' ClickHouse is: the embedded engine (a child process on a fetched library), a
// real server, or none. Nothing waits for it; upload and playback know nothing of it.

#include "libs/base/async.hpp"
#include "libs/clickhouse/client.hpp"
#include "libs/obs/log.hpp"
#include "libs/obs/metrics.hpp"

#include <memory>
#include <optional>
#include <string>

namespace vora::config {
class schema;
}

namespace vora::all {

struct event_engine_config {
    // "embedded", "off", or "http(s)://USER:PASSWORD@HOST:PORT/DATABASE".
    std::string engine = "embedded";
    std::string library;    // of the embedded engine; empty = fetched into the user's cache
    std::string ca_file{};  // PEM, for https; empty = the system's

    void bind(config::schema& s);
};

class event_engine {
 public:
    // invalid_argument ("bad_config_value"): events.engine is none of the above.
    static result<std::unique_ptr<event_engine>> create(executor ex, blocking_pool& pool,
                                                        event_engine_config c,
                                                        const std::string& data_dir,
                                                        obs::logger log, obs::metrics& metrics);
    ~event_engine();
    event_engine(const event_engine&) = delete;

    // Returns at once; what it takes happens in the background, again and again until it works.
    void start();
    // Ends the child within some seconds. After everybody who writes events.
    task<> stop();

    bool off() const;
    // nullopt while there is none.
    std::optional<clickhouse::endpoint> where() const;
    clickhouse::client& client();
    // For /readyz: the version, or what is missing ("fetching the event engine (12 %)").
    task<result<std::string>> readiness();

 private:
    struct state;
    explicit event_engine(std::unique_ptr<state> s);
    std::unique_ptr<state> state_;
};

// `vora event-engine fetch`: fetches the library now and says so. The exit code.
int fetch_event_engine();

}  // namespace vora::all
