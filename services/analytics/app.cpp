#include "services/analytics/app.hpp"

#include "services/analytics/adapters/clickhouse_event_store.hpp"
#include "services/analytics/adapters/disk_spool.hpp"
#include "services/analytics/adapters/metrics_books.hpp"
#include "services/analytics/core/drain.hpp"
#include "services/analytics/handlers/ingest.hpp"

#include <algorithm>

namespace vora::analytics {

namespace {

constexpr milliseconds drain_at_stop{2'000};
constexpr milliseconds gauge_interval{1'000};

disk_spool_options spool_options(const config& c) {
    disk_spool_options o;
    o.dir = c.spool_dir;
    o.bytes_max = static_cast<std::uint64_t>(c.spool_max_bytes);
    o.segment_bytes = static_cast<std::uint64_t>(c.segment_bytes);
    return o;
}

drain_options drain_options_of(const config& c) {
    drain_options o;
    o.flush_after = milliseconds(c.flush_ms);
    o.rows_max = static_cast<std::uint64_t>(c.batch_rows);
    o.retry_max = milliseconds(c.retry_max_ms);
    o.retry_first = std::min(o.retry_first, o.retry_max);
    return o;
}

std::unique_ptr<event_spill> make_spill(const spill_parts& p, blocking_pool& pool, const config& c,
                                        const spill_maker& other) {
    if (other) {
        return other(p);
    }
    return std::make_unique<disk_spool>(p.ex, pool, p.clock, p.books, p.log, spool_options(c));
}

double seconds_of(milliseconds ms) {
    return std::chrono::duration<double>(ms).count();
}

}  // namespace

struct app::parts {
    parts(executor ex, blocking_pool& pool, const clock_source& c, clickhouse::client& engine,
          obs::logger l, obs::metrics& m, const config& conf, const spill_maker& other)
        : clock(c),
          log(std::move(l)),
          shown(m),
          spool_bytes(m.gauge("vora_analytics_spool_bytes",
                              "bytes of the spool's files, or of the queue to Kafka")),
          oldest_age(m.gauge("vora_analytics_oldest_age_seconds",
                             "how long the first event that is not stored has waited")),
          recovering(m.gauge("vora_analytics_recovering",
                             "1 until the events that an earlier run left are counted")),
          flush_seconds(m.histogram("vora_analytics_flush_seconds",
                                    "from the first attempt at a batch until it is stored",
                                    obs::seconds_buckets())),
          batches(m.counter("vora_analytics_batches_total", "inserts that were stored")),
          failures(m.counter("vora_analytics_insert_failures_total",
                             "attempts to store that failed and are made again")),
          spool(make_spill({ex, c, books, log}, pool, conf, other)),
          store(engine, milliseconds(conf.insert_deadline_ms), conf.compress ? &pool : nullptr),
          draining(ex, *spool, store, drain_options_of(conf), watch()),
          handler(*spool, books, c),
          group(ex) {
        recovering.set(1);
        books.on_change([this](const totals& t) { shown.show(t); });
    }

    drain_watch watch();
    task<> keep_gauges();
    void failed(const error& why);

    const clock_source& clock;
    obs::logger log;
    metrics_books shown;
    obs::gauge& spool_bytes;
    obs::gauge& oldest_age;
    obs::gauge& recovering;
    obs::histogram& flush_seconds;
    obs::counter& batches;
    obs::counter& failures;
    std::string failing;               // reason, as last logged
    std::optional<timestamp> waiting;  // received time of the batch that cannot be stored
    ledger books;
    std::unique_ptr<event_spill> spool;
    clickhouse_event_store store;
    drain draining;
    ingest handler;
    task_group group;
};

drain_watch app::parts::watch() {
    drain_watch w;
    w.stored = [this](const event_batch& b, milliseconds took) {
        batches.add();
        flush_seconds.observe(seconds_of(took));
        waiting.reset();
        if (!failing.empty()) {
            log.info("events_stored_again", {{"events", b.rows}});
            failing.clear();
        }
    };
    w.quarantined = [this](const event_batch& b, const error& why) {
        waiting.reset();
        log.warn("event_quarantined", {{"batch", b.token}, {"detail", why.detail}});
    };
    w.failed = [this](const error& why, std::optional<timestamp> oldest) {
        waiting = oldest ? oldest : waiting;
        failed(why);
    };
    return w;
}

// One line when the reason changes, not one per attempt.
void app::parts::failed(const error& why) {
    failures.add();
    if (failing != why.reason) {
        failing = why.reason;
        log.warn(
            "events_not_stored",
            {{"reason", why.reason}, {"detail", why.detail}, {"spooled", books.now().spooled}});
    }
}

task<> app::parts::keep_gauges() {
    for (;;) {
        spool_bytes.set(static_cast<double>(spool->bytes_held()));
        recovering.set(spool->recovered() ? 0 : 1);
        oldest_age.set(waiting ? std::max(0.0, seconds_of(clock.now() - *waiting)) : 0.0);
        co_await sleep_for(gauge_interval);
    }
}

app::app(executor ex, blocking_pool& pool, const clock_source& clock, clickhouse::client& engine,
         obs::logger log, obs::metrics& metrics, config c, const spill_maker& spill)
    : parts_(std::make_unique<parts>(ex, pool, clock, engine, log.for_service("analytics"), metrics,
                                     c, spill)) {}

app::~app() = default;

net::router app::public_routes() {
    return parts_->handler.routes();
}

task<> app::start() {
    co_await parts_->spool->start();
    // Analytics never ends the process: what should not happen is logged, ingest goes on.
    parts_->group.on_error([this](const std::string& what) {
        parts_->log.error("analytics_task_ended", {{"detail", what}});
    });
    parts_->group.spawn(parts_->draining.run());
    parts_->group.spawn(parts_->keep_gauges());
}

task<> app::stop() {
    co_await parts_->draining.hurry(drain_at_stop);
    co_await parts_->group.stop();
    co_await parts_->spool->stop();
}

}  // namespace vora::analytics
