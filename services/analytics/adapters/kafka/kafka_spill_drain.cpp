// The side of the spill that reads: partitions, positions, batches, acknowledgement.

#include "libs/base/fault_point.hpp"
#include "services/analytics/adapters/kafka/kafka_spill.hpp"

#include <algorithm>
#include <utility>

namespace vora::analytics {

namespace {

constexpr milliseconds poll_limit{100};
// While batches are made: their commits wait for the thread.
constexpr milliseconds busy_poll_limit{20};
constexpr milliseconds commit_limit{3'000};
constexpr milliseconds retry_pause{200};
constexpr std::size_t batch_bytes_max = 4 << 20;
// A batch and the next one. Well above what one batch can be, so that a planned one always fits.
constexpr std::uint64_t fetched_bytes_max = 24 << 20;

}  // namespace

task<> kafka_spill::consume_loop() {
    for (;;) {
        full_ = fetched_bytes_ > (full_ ? fetched_bytes_max / 2 : fetched_bytes_max);
        const auto limit = fetched_rows_ > 0 ? busy_poll_limit : poll_limit;
        auto news = co_await consumer_thread_.run(
            [c = consumer_, limit, full = full_] { return c->poll(limit, full); });
        take(std::move(news));
        co_await read_positions();
        show_gauges();
    }
}

void kafka_spill::take(kafka_consumer::news n) {
    using kind = kafka_consumer::event::kind;
    for (auto& e : n.events) {
        switch (e.what) {
            case kind::message:
                take_message(e.partition, e.offset, std::move(e.value));
                break;
            case kind::gained:
                drop(e.partition);
                partitions_[e.partition].assignment = e.assignment;
                break;
            case kind::lost:
                drop(e.partition);
                break;
        }
    }
    for (const auto& [number, offset] : n.end_offsets) {
        if (const auto p = partitions_.find(number); p != partitions_.end()) {
            p->second.end_offset = offset;
        }
    }
    if (!n.trouble.empty()) {
        show_trouble(n.trouble);
    }
}

void kafka_spill::take_message(int number, std::int64_t offset, std::string value) {
    const auto found = partitions_.find(number);
    if (found == partitions_.end() || offset < found->second.fetched_to) {
        return;
    }
    found->second.fetched_to = offset + 1;
    found->second.messages.push_back(read_message(offset, std::move(value)));
    fetched_rows_ += found->second.messages.back().rows;
    fetched_bytes_ += found->second.messages.back().value.size();
    backlog_wake_.notify();
}

void kafka_spill::pop_front(partition& p) {
    fetched_rows_ -= p.messages.front().rows;
    fetched_bytes_ -= p.messages.front().value.size();
    p.messages.pop_front();
}

void kafka_spill::drop(int number) {
    const auto found = partitions_.find(number);
    if (found == partitions_.end()) {
        return;
    }
    while (!found->second.messages.empty()) {
        pop_front(found->second);
    }
    partitions_.erase(found);
}

// Nothing of a partition is sent before it is known what may have been sent of it already.
task<> kafka_spill::read_positions() {
    std::vector<int> unknown;
    for (const auto& [number, p] : partitions_) {
        if (!p.known) {
            unknown.push_back(number);
        }
    }
    if (unknown.empty()) {
        co_return;
    }
    auto found = co_await consumer_thread_.run(
        [c = consumer_, unknown] { return c->read_committed(unknown, commit_limit); });
    if (!found) {
        show_trouble(found.error().detail);
        co_await sleep_for(retry_pause);
        co_return;
    }
    // Partitions come and go by poll() alone, which waits for this.
    for (const auto& one : *found) {
        auto& p = partitions_[one.partition];
        p.position = parse_position(std::max<std::int64_t>(0, one.offset), one.metadata);
        p.plan_committed = p.position.plan_end.has_value();
        p.known = true;
    }
    backlog_wake_.notify();
}

kafka_spill::partition* kafka_spill::find(int number, std::uint64_t assignment) {
    const auto found = partitions_.find(number);
    const bool is_ours = found != partitions_.end() && found->second.assignment == assignment;
    return is_ours ? &found->second : nullptr;
}

std::optional<topic_rows> kafka_spill::collect(partition& p, std::uint64_t rows_max) {
    if (!p.known || p.messages.empty()) {
        return std::nullopt;
    }
    const std::int64_t first = p.messages.front().offset;
    // Where the topic begins; or it was deleted and made again, and begins below.
    if (!std::exchange(p.begun, true) &&
        ((first > p.position.next.offset && !p.position.plan_end) ||
         first < p.position.next.offset)) {
        p.position = {{first, 0}, {}};
        p.plan_committed = false;
    }
    return next_rows(p.messages, p.position, rows_max, batch_bytes_max);
}

task<result<void>> kafka_spill::commit(int number, std::uint64_t assignment) {
    const auto* p = find(number, assignment);
    if (p == nullptr) {
        co_return fail(errc::aborted, "kafka_partition_lost");
    }
    auto r = co_await consumer_thread_.run([c = consumer_, number, assignment,
                                            offset = p->position.next.offset,
                                            text = encode_position(p->position)] {
        return c->commit(number, assignment, offset, text, commit_limit);
    });
    co_return r;
}

// Absent: nothing of this partition can be sent now.
task<result<std::optional<event_batch>>> kafka_spill::batch_of(int number, std::uint64_t rows_max) {
    auto* p = &partitions_.at(number);
    const auto assignment = p->assignment;
    auto rows = collect(*p, rows_max);
    if (!rows) {
        co_return std::optional<event_batch>();
    }
    const topic_place from = p->position.next;
    if (!p->plan_committed) {
        // They stay when the answer is lost: Kafka may have them.
        p->position.plan_end = rows->end;
        auto r = co_await commit(number, assignment);
        if (!r && r.error().code == errc::aborted) {
            co_return std::optional<event_batch>();
        }
        if (!r) {
            co_return fail(r.error());
        }
        p = find(number, assignment);
        if (p == nullptr) {
            co_return std::optional<event_batch>();
        }
        p->plan_committed = true;
        p->owes_commit = false;
        fault_point("analytics.planned");
    }
    current_ = {number, assignment, rows->end};
    event_batch b;
    b.segment = static_cast<std::uint64_t>(number);
    b.rows = rows->rows;
    b.lost = rows->lost;
    b.oldest = rows->oldest.value_or(timestamp{});
    b.token = batch_token(options_.topic, number, from, *rows);
    b.bytes = std::move(rows->bytes);
    co_return std::move(b);
}

bool kafka_spill::is_due() const {
    return std::ranges::any_of(round_, [this](int number) {
        const auto p = partitions_.find(number);
        return p != partitions_.end() && !p->second.messages.empty();
    });
}

task<> kafka_spill::wait(milliseconds limit) {
    co_await backlog_wake_.wait(limit);
}

task<result<std::optional<event_batch>>> kafka_spill::next(std::uint64_t rows_max) {
    // Nothing waits only when a whole round has found nothing: what was refused or was too much for
    // one batch waits where the round has been.
    for (bool whole = round_.empty();; whole = true) {
        if (whole) {
            for (const auto& [number, p] : partitions_) {
                round_.push_back(number);
            }
        }
        while (!round_.empty()) {
            const int number = round_.front();
            round_.pop_front();
            if (partitions_.contains(number)) {
                auto batch = co_await batch_of(number, rows_max);
                if (!batch || *batch) {
                    co_return batch;
                }
            }
        }
        if (whole) {
            break;
        }
    }
    co_await commit_owed();
    co_return std::optional<event_batch>();
}

// For who looks at the group from outside, and for less to be sent again: without it the borders
// that stand there would be, under a token that ClickHouse knows.
task<> kafka_spill::commit_owed() {
    std::vector<std::pair<int, std::uint64_t>> owing;
    for (const auto& [number, p] : partitions_) {
        if (p.owes_commit) {
            owing.emplace_back(number, p.assignment);
        }
    }
    for (const auto& [number, assignment] : owing) {
        auto r = co_await commit(number, assignment);
        if (!r && r.error().code != errc::aborted) {
            co_return;
        }
        if (auto* p = find(number, assignment); r && p != nullptr) {
            p->owes_commit = false;
            fault_point("analytics.acked");
        }
    }
}

void kafka_spill::forget_borders(const event_batch&) {
    if (auto* p = find(current_.number, current_.assignment)) {
        p->position.plan_end.reset();
        p->plan_committed = false;
    }
}

task<> kafka_spill::acknowledge(const event_batch& b) {
    fault_point("analytics.before_ack");
    books_.take_over(b.rows + b.lost);
    books_.store(b.rows);
    co_await settle(b);
}

// The row stays in the topic, where the token in the log names it.
task<> kafka_spill::quarantine(const event_batch& b) {
    books_.take_over(b.rows + b.lost);
    books_.lose(drop_reason::quarantined, b.rows);
    co_await settle(b);
}

task<> kafka_spill::settle(const event_batch& b) {
    if (b.lost > 0) {
        books_.lose(drop_reason::damaged, b.lost);
        log_.warn("events_lost", {{"batch", b.token}, {"events", b.lost}});
    }
    auto* p = find(current_.number, current_.assignment);
    if (p == nullptr) {
        co_return;  // whoever has it now finds the token known
    }
    p->position = {current_.end, {}};
    p->plan_committed = false;
    p->owes_commit = true;
    while (!p->messages.empty() && p->messages.front().offset < current_.end.offset) {
        pop_front(*p);
    }
    if (p->messages.empty()) {
        co_await commit_owed();
    }
}

void kafka_spill::show_gauges() {
    partitions_gauge_.set(static_cast<double>(partitions_.size()));
    std::int64_t lag = 0;
    for (const auto& [number, p] : partitions_) {
        if (p.known) {
            lag += std::max<std::int64_t>(0, p.end_offset - p.position.next.offset);
        }
    }
    lag_gauge_.set(static_cast<double>(lag));
}

}  // namespace vora::analytics
