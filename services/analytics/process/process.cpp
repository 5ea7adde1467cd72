#include "services/analytics/process/process.hpp"

#include "libs/clickhouse/client.hpp"
#include "libs/config/config.hpp"
#include "libs/net/client.hpp"
#include "libs/service/or_throw.hpp"
#include "services/analytics/app.hpp"

namespace vora::analytics {

namespace {

struct settings {
    config analytics;
    std::string engine;

    void bind(vora::config::schema& s) {
        analytics.bind(s);
        s.add("events.engine", &engine,
              "where events are kept: clickhouse://USER:PASSWORD@HOST:PORT or http://HOST:PORT");
        s.mark_secret("events.engine");  // it may hold a password
        s.add("events.spool_dir", &analytics.spool_dir,
              "where events wait for it; this process's alone");
    }

    std::vector<std::string> check() const {
        return service::missing(
            {{"events.engine", engine}, {"events.spool_dir", analytics.spool_dir}});
    }
};

class process final : public service::instance {
 public:
    process(const service::host& h, const settings& s)
        : endpoint_(service::or_throw(clickhouse::parse_endpoint(s.engine), "events.engine")),
          http_(h.ex),
          events_(http_, [this] { return std::optional(endpoint_); }),
          app_(h.ex, h.pool, h.clock, events_, h.log, h.metrics, s.analytics) {}

    net::router public_routes() override { return app_.public_routes(); }
    // Not required: events wait on disk.
    std::vector<service::dependency> dependencies() override {
        return {{"event_engine", false, [this] { return events_.version(milliseconds(1'500)); }}};
    }

    task<result<void>> start() override {
        co_await app_.start();
        co_return result<void>{};
    }
    task<> stop() override {
        co_await app_.stop();
        http_.close();
    }

 private:
    clickhouse::endpoint endpoint_;
    net::client http_;
    clickhouse::client events_;
    app app_;
};

}  // namespace

service::program make_program() {
    const auto s = std::make_shared<settings>();
    service::program p;
    p.name = "vora-analytics";
    p.about = "takes playback events and stores them; nothing waits for it";
    p.bind = [s](vora::config::schema& schema) { s->bind(schema); };
    p.check = [s] { return s->check(); };
    p.make = [s](const service::host& h) { return std::make_unique<process>(h, *s); };
    return p;
}

}  // namespace vora::analytics
