#include "services/analytics/adapters/kafka/kafka_spill.hpp"

#include "libs/base/fault_point.hpp"
#include "services/analytics/core/record.hpp"

#include <stdexcept>
#include <utility>

namespace vora::analytics {

namespace {

constexpr milliseconds answer_patience{1'000};
constexpr milliseconds poll_limit{100};
constexpr milliseconds stop_patience{3'000};
constexpr milliseconds probe_limit{1'500};

template <class T>
T or_throw(result<T> r) {
    if (!r) {
        throw std::runtime_error("Kafka: " + r.error().detail);
    }
    return std::move(*r);
}

}  // namespace

kafka_spill::kafka_spill(executor ex, const clock_source& clock, ledger& books, obs::logger log,
                         obs::metrics& metrics, kafka_options o)
    : ex_(ex),
      clock_(clock),
      books_(books),
      log_(std::move(log)),
      options_(std::move(o)),
      partitions_gauge_(metrics.gauge("vora_analytics_kafka_partitions",
                                      "partitions of the topic that this process drains")),
      lag_gauge_(metrics.gauge("vora_analytics_kafka_lag_messages",
                               "messages of those that are not settled; a message is a request")),
      producer_(or_throw(kafka_producer::open(options_))),
      consumer_(or_throw(kafka_consumer::open(options_))),
      backlog_wake_(ex),
      group_(ex) {}

kafka_spill::~kafka_spill() = default;

task<> kafka_spill::start() {
    group_.spawn(deliver_loop());
    group_.spawn(consume_loop());
    co_return;
}

task<> kafka_spill::stop() {
    co_await group_.stop();
    co_await flush();
    co_await commit_owed();
    co_await consumer_thread_.run([c = std::move(consumer_)]() mutable {
        c->close();
        c.reset();
    });
    co_await producer_thread_.run([p = std::move(producer_)]() mutable { p.reset(); });
}

task<> kafka_spill::append(std::string rows, std::uint32_t events) {
    std::string value;
    append_record(value, rows, events, 0, clock_.now());
    const auto id = ++last_id_;
    auto sent = producer_ ? producer_->send(value, id)
                          : result<void>(fail(errc::unavailable, "kafka_refuses"));
    if (!sent) {
        const bool full = sent.error().code == errc::resource_exhausted;
        if (!std::exchange(dropping_, true)) {
            log_.warn(full ? "event_spool_full" : "event_spool_error",
                      {{"detail", sent.error().detail}, {"queued_bytes", queued_bytes_}});
        }
        books_.refuse(full ? drop_reason::spool_full : drop_reason::spool_error, events);
        co_return;
    }
    books_.spool(events);
    const auto e = std::make_shared<entry>(ex_, events, value.size());
    queued_.emplace(id, e);
    queued_bytes_ += e->bytes;
    const auto deadline = std::chrono::steady_clock::now() + answer_patience;
    while (!e->done && !stalled_) {
        const auto left =
            std::chrono::duration_cast<milliseconds>(deadline - std::chrono::steady_clock::now());
        if (left <= milliseconds(0)) {
            stalled_ = true;
            log_.warn("event_kafka_slow", {{"queued_bytes", queued_bytes_}});
            break;
        }
        co_await e->settled.wait(left);
    }
}

task<> kafka_spill::deliver_loop() {
    for (;;) {
        auto news = co_await producer_thread_.run([p = producer_] { return p->poll(poll_limit); });
        take(news);
        if (news.broken) {
            co_await replace_producer();
        }
    }
}

void kafka_spill::take(const kafka_producer::news& n) {
    for (const auto& d : n.deliveries) {
        const auto found = queued_.find(d.id);
        if (found != queued_.end()) {
            auto e = std::move(found->second);
            queued_.erase(found);
            settle(std::move(e), d.failure);
        }
    }
    if (!n.trouble.empty()) {
        show_trouble(n.trouble);
    }
}

void kafka_spill::settle(std::shared_ptr<entry> e, const std::string& failure) {
    queued_bytes_ -= e->bytes;
    if (failure.empty()) {
        books_.hand_over(e->events);
        fault_point("analytics.appended");
        stalled_ = false;
        dropping_ = false;
        if (!std::exchange(trouble_, {}).empty()) {
            log_.info("event_kafka_answers");
        }
    } else {
        books_.lose(drop_reason::spool_error, e->events);
        if (!std::exchange(dropping_, true)) {
            log_.warn("event_spool_error", {{"detail", failure}});
        }
    }
    e->done = true;
    e->settled.notify();
}

// Its state on the brokers is lost, so it will send nothing more. What it had may be there or not;
// sent again it might be there twice.
task<> kafka_spill::replace_producer() {
    log_.error("event_kafka_producer_broken", {{"requests", queued_.size()}});
    co_await producer_thread_.run([p = std::exchange(producer_, {})]() mutable { p.reset(); });
    for (auto& [id, e] : std::exchange(queued_, {})) {
        settle(e, "_FATAL");
    }
    while (!producer_) {
        auto fresh = kafka_producer::open(options_);
        if (fresh) {
            producer_ = std::move(*fresh);
        } else {
            co_await sleep_for(1s);
        }
    }
}

task<> kafka_spill::flush() {
    const auto deadline = std::chrono::steady_clock::now() + stop_patience;
    while (producer_ && !queued_.empty() && std::chrono::steady_clock::now() < deadline) {
        auto news = co_await producer_thread_.run([p = producer_] { return p->poll(poll_limit); });
        take(news);
    }
    std::uint64_t lost = 0;
    for (auto& [id, e] : std::exchange(queued_, {})) {
        lost += e->events;
        settle(e, "_PURGE_QUEUE");
    }
    if (lost > 0) {
        log_.warn("events_lost", {{"events", lost}});
    }
}

// One line when it begins, not one for every attempt to connect.
void kafka_spill::show_trouble(const std::string& name) {
    if (trouble_.empty()) {
        trouble_ = name;
        log_.warn("event_kafka_trouble", {{"detail", name}});
    }
}

task<result<std::string>> kafka_spill::check(blocking_pool& pool) const {
    if (!producer_) {
        co_return fail(errc::unavailable, "kafka_unreachable");
    }
    auto r = co_await pool.run([p = producer_] { return p->probe(probe_limit); });
    co_return r;
}

}  // namespace vora::analytics
