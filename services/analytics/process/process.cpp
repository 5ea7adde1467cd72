#include "services/analytics/process/process.hpp"

#include "libs/clickhouse/client.hpp"
#include "libs/config/config.hpp"
#include "libs/net/client.hpp"
#include "libs/service/or_throw.hpp"
#include "services/analytics/adapters/kafka/kafka_spill.hpp"
#include "services/analytics/app.hpp"

#include <algorithm>
#include <iterator>

namespace vora::analytics {

namespace {

constexpr std::size_t idle_connections_max = 4;

struct settings {
    config analytics;
    std::string engine;
    std::string spill = "disk";
    kafka_options kafka;
    std::string engine_ca_file;

    void bind(vora::config::schema& s) {
        analytics.bind(s);
        s.add("events.engine", &engine,
              "where events are kept: http(s)://USER:PASSWORD@HOST:PORT/DATABASE");
        s.mark_secret("events.engine");  // it may hold a password
        s.add("events.engine_ca_file", &engine_ca_file,
              "PEM file of the authorities that https of events.engine is checked with; empty = "
              "the system's");
        s.add("events.spool_dir", &analytics.spool_dir,
              "where events wait for it; this process's alone (events.spill = disk)");
        s.add("events.spill", &spill, "what lies between: disk or kafka");
        s.add("events.kafka_brokers", &kafka.brokers, "HOST:PORT,HOST:PORT");
        s.add("events.kafka_topic", &kafka.topic, "the topic that the replicas share");
        s.add("events.kafka_group", &kafka.group, "the replicas' consumer group");
        s.add("events.kafka_queue_bytes", &kafka.queue_bytes,
              "most bytes of events in memory that no broker has confirmed; new ones beyond it are "
              "dropped and counted",
              1024);
        s.add("events.kafka_properties", &kafka.properties,
              "more for librdkafka: security.protocol=sasl_ssl,sasl.username=vora");
        s.mark_secret("events.kafka_properties");
    }

    std::vector<std::string> check() const {
        auto wrong = service::missing({{"events.engine", engine}});
        if (spill == "disk") {
            std::ranges::copy(service::missing({{"events.spool_dir", analytics.spool_dir}}),
                              std::back_inserter(wrong));
        } else if (spill == "kafka") {
            check_kafka(wrong);
        } else {
            wrong.push_back("events.spill must be disk or kafka");
        }
        return wrong;
    }
    void check_kafka(std::vector<std::string>& wrong) const {
        auto needed = service::missing({{"events.kafka_brokers", kafka.brokers},
                                        {"events.kafka_topic", kafka.topic},
                                        {"events.kafka_group", kafka.group}});
        const auto taken = check_kafka_options(kafka);
        if (needed.empty() && !taken) {
            needed.push_back("events.kafka_properties: " + taken.error().detail);
        }
        std::ranges::copy(needed, std::back_inserter(wrong));
    }
};

class process final : public service::instance {
 public:
    process(const service::host& h, const settings& s)
        : endpoint_(service::or_throw(clickhouse::parse_endpoint(s.engine), "events.engine")),
          http_(h.ex, idle_connections_max,
                service::or_throw(clickhouse::security_for(endpoint_, s.engine_ca_file),
                                  "events.engine_ca_file")),
          events_(http_, [this] { return std::optional(endpoint_); }),
          pool_(h.pool),
          app_(h.ex, h.pool, h.clock, events_, h.log, h.metrics, s.analytics,
               s.spill == "kafka" ? make_kafka(s.kafka, h.metrics) : spill_maker()) {}

    net::router public_routes() override { return app_.public_routes(); }
    // Not required: events wait on disk or in Kafka, and without Kafka in memory.
    std::vector<service::dependency> dependencies() override {
        std::vector<service::dependency> all{
            {"event_engine", false, [this] { return events_.version(milliseconds(1'500)); }}};
        if (kafka_ != nullptr) {
            all.push_back({"kafka", false, [this] { return kafka_->check(pool_); }});
        }
        return all;
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
    spill_maker make_kafka(const kafka_options& o, obs::metrics& metrics) {
        return [this, o, &metrics](const spill_parts& p) {
            auto spill = std::make_unique<kafka_spill>(p.ex, p.clock, p.books, p.log, metrics, o);
            kafka_ = spill.get();
            return spill;
        };
    }

    clickhouse::endpoint endpoint_;
    net::client http_;
    clickhouse::client events_;
    blocking_pool& pool_;
    const kafka_spill* kafka_ = nullptr;  // app_'s
    app app_;
};

}  // namespace

service::program make_program() {
    return service::program_of<settings, process>(
        "vora-analytics", "takes playback events and stores them; nothing waits for it");
}

}  // namespace vora::analytics
