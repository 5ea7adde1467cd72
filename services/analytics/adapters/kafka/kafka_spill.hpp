#pragma once
// A Kafka topic between ingest and drain (docs/adr/0009): ingest is its producer, the drain a
// member of the group that shares its partitions, so that any number of replicas may run.
//
// Ingest: one message per request, a record as on disk. A request is answered when all in-sync
// replicas have it. When brokers do not answer within a second requests are answered at once: their
// events wait in memory (queue_bytes), beyond it new ones are dropped and counted.
//
// Drain: a batch is rows of one partition. Its borders are committed to Kafka beside the offset,
// and accepted there, before it is sent; so whoever takes the partition over, after whatever death,
// sends the same rows under the same token, and ClickHouse stores a token once. Offsets move when a
// batch is settled; while more waits, the next batch's borders carry that along.
//
// Threads: librdkafka's calls are made on two threads of the spill, one for each client; all else
// happens on the loop.

#include "libs/base/async.hpp"
#include "libs/obs/log.hpp"
#include "libs/obs/metrics.hpp"
#include "services/analytics/adapters/kafka/kafka_client.hpp"
#include "services/analytics/core/ports.hpp"
#include "services/analytics/core/topic_batch.hpp"

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>

namespace vora::analytics {

class kafka_spill final : public event_spill {
 public:
    // Throws std::runtime_error when librdkafka does not take the options.
    kafka_spill(executor ex, const clock_source& clock, ledger& books, obs::logger log,
                obs::metrics& metrics, kafka_options o);
    ~kafka_spill() override;
    kafka_spill(const kafka_spill&) = delete;

    task<> start() override;
    task<> stop() override;
    std::uint64_t bytes_held() const override { return queued_bytes_; }
    bool recovered() const override { return true; }

    task<> append(std::string rows, std::uint32_t events) override;

    // What the partitions that are this member's have brought.
    std::uint64_t events() const override { return fetched_rows_; }
    std::uint64_t bytes() const override { return fetched_bytes_; }
    bool is_due() const override;
    task<> wait(milliseconds limit) override;
    task<result<std::optional<event_batch>>> next(std::uint64_t rows_max) override;
    task<> acknowledge(const event_batch& b) override;
    task<> quarantine(const event_batch& b) override;
    void forget_borders(const event_batch& b) override;

    // Of the topic, that are this member's.
    std::size_t partitions() const { return partitions_.size(); }
    // For readiness: the topic's size, or why it cannot be reached.
    task<result<std::string>> check(blocking_pool& pool) const;

 private:
    // A request's rows that no broker has confirmed.
    struct entry {
        entry(executor ex, std::uint32_t n, std::size_t b) : events(n), bytes(b), settled(ex) {}
        std::uint32_t events;
        std::size_t bytes;
        bool done = false;
        wake_signal settled;
    };
    // A partition that is this member's.
    struct partition {
        std::uint64_t assignment = 0;
        bool known = false;  // position was read
        topic_position position;
        bool plan_committed = false;
        bool owes_commit = false;  // position moved since the last one
        bool begun = false;        // something was looked at since the position was read
        std::int64_t fetched_to = 0;
        std::deque<topic_message> messages;
        std::int64_t end_offset = -1;
    };
    struct outstanding {
        int number = 0;
        std::uint64_t assignment = 0;
        topic_place end;
    };

    // Ingest side, kafka_spill.cpp.
    task<> deliver_loop();
    void take(const kafka_producer::news& n);
    void settle(std::shared_ptr<entry> e, const std::string& failure);
    task<> replace_producer();
    task<> flush();
    void show_trouble(const std::string& name);

    // Drain side, kafka_spill_drain.cpp.
    task<> consume_loop();
    void take(kafka_consumer::news n);
    void take_message(int number, std::int64_t offset, std::string value);
    void drop(int number);
    void pop_front(partition& p);
    task<> read_positions();
    // nullptr: it is not this member's any more.
    partition* find(int number, std::uint64_t assignment);
    std::optional<topic_rows> collect(partition& p, std::uint64_t rows_max);
    task<result<void>> commit(int number, std::uint64_t assignment);
    task<result<std::optional<event_batch>>> batch_of(int number, std::uint64_t rows_max);
    task<> commit_owed();
    task<> settle(const event_batch& b);
    void show_gauges();

    executor ex_;
    const clock_source& clock_;
    ledger& books_;
    obs::logger log_;
    kafka_options options_;
    obs::gauge& partitions_gauge_;
    obs::gauge& lag_gauge_;

    std::shared_ptr<kafka_producer> producer_;
    std::unordered_map<std::uint64_t, std::shared_ptr<entry>> queued_;
    std::uint64_t queued_bytes_ = 0;
    std::uint64_t last_id_ = 0;
    bool stalled_ = false;   // brokers did not answer in time
    std::string trouble_;    // as last logged
    bool dropping_ = false;  // said once, not per request

    std::shared_ptr<kafka_consumer> consumer_;
    std::map<int, partition> partitions_;
    std::uint64_t fetched_rows_ = 0;
    std::uint64_t fetched_bytes_ = 0;
    bool full_ = false;
    std::deque<int> round_;  // partitions whose turn is still to come
    outstanding current_;
    wake_signal backlog_wake_;
    task_group group_;
    // After all that uses them: they end first.
    blocking_pool producer_thread_{1};
    blocking_pool consumer_thread_{1};
};

}  // namespace vora::analytics
