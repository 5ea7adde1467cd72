// The side of the spool that reads: recovery, batches, acknowledgement.

#include "libs/base/crypto.hpp"
#include "libs/base/fault_point.hpp"
#include "services/analytics/adapters/disk_spool.hpp"

#include <algorithm>
#include <utility>

namespace vora::analytics {

namespace {
constexpr int unreadable_max = 3;
}

std::uint64_t disk_spool::bytes() const {
    std::uint64_t sum = 0;
    for (const auto& s : segments_) {
        const bool begun = s.number == state_.segment;
        sum += s.bytes - (begun ? std::min(state_.offset, s.bytes) : 0);
    }
    return sum;
}

task<> disk_spool::wait(milliseconds limit) {
    co_await backlog_wake_.wait(limit);
}

// What an earlier run left: how many events, and no file that is already drained.
task<> disk_spool::recover() {
    while (!segments_.empty() && segments_.front().sealed &&
           segments_.front().number < state_.segment) {
        drop_front();
    }
    const auto old_ones = static_cast<std::size_t>(
        std::ranges::count_if(segments_, [](const segment& s) { return s.rows == 0; }));
    for (std::size_t i = 0; i < old_ones; ++i) {
        co_await count_segment(i);
    }
    std::uint64_t events = 0;
    for (std::size_t i = 0; i < old_ones; ++i) {
        const auto& s = segments_[i];
        const std::uint64_t begun = s.number == state_.segment ? state_.row : 0;
        events += s.rows > begun ? s.rows - begun : 0;
    }
    recovered_ = true;
    if (events > 0) {
        books_.spool(events);
        log_.info("event_spool_recovered", {{"events", events}, {"segments", old_ones}});
    }
}

task<> disk_spool::count_segment(std::size_t at) {
    const std::uint64_t number = segments_[at].number;
    auto found = co_await pool_.run([dir = dir_, number] { return dir.scan(number); });
    if (!found) {
        log_.warn("event_segment_unreadable",
                  {{"segment", number}, {"detail", found.error().detail}});
        co_return;
    }
    auto& s = segments_[at];
    s.rows = std::max(s.rows, found->end_row);
    if (number == state_.segment) {
        s.rows = std::max(s.rows, state_.plan_end);  // a power cut may have cut the file behind it
    }
    if (found->good_end < s.bytes && found->good_end > 0) {
        log_.warn("event_segment_torn",
                  {{"segment", number}, {"bytes", s.bytes - found->good_end}});
    }
    // A segment knows how many rows the one before it had, should that one's end be lost.
    if (at > 0 && found->header && found->header->previous_rows != rows_unknown &&
        segments_[at - 1].number + 1 == number) {
        segments_[at - 1].rows = std::max(segments_[at - 1].rows, found->header->previous_rows);
    }
}

bool disk_spool::is_drained(const segment& s) const {
    return s.number < state_.segment || (s.number == state_.segment && state_.offset >= s.bytes &&
                                         state_.row >= s.rows && !state_.has_plan());
}

// Rows that were counted and never found are lost with it.
void disk_spool::drop_front() {
    const segment s = segments_.front();
    const std::uint64_t begun = s.number == state_.segment ? state_.row : 0;
    if (s.number >= state_.segment) {
        if (s.rows > begun) {
            books_.lose(drop_reason::damaged, s.rows - begun);
            log_.warn("events_lost", {{"segment", s.number}, {"events", s.rows - begun}});
        }
        state_.segment = s.number + 1;
        state_.offset = segment_header_bytes;
        state_.row = 0;
        state_.plan_end = 0;
    }
    segments_.pop_front();
    drained_.push_back({s.number, s.bytes});
}

disk_spool::segment* disk_spool::front() {
    while (!segments_.empty() && segments_.front().sealed && is_drained(segments_.front())) {
        drop_front();
    }
    if (segments_.empty()) {
        return nullptr;
    }
    auto& s = segments_.front();
    if (s.number > state_.segment) {
        state_.segment = s.number;
        state_.offset = segment_header_bytes;
        state_.row = 0;
        state_.plan_end = 0;
    }
    return is_drained(s) ? nullptr : &s;
}

task<result<collected_rows>> disk_spool::read(const segment& s, std::uint64_t rows_max) {
    row_range wanted;
    wanted.from_row = state_.row;
    wanted.rows_max = rows_max;
    wanted.bytes_max = options_.batch_bytes_max;
    if (state_.has_plan()) {
        wanted.until_row = state_.plan_end;
    }
    auto r = co_await pool_.run([dir = dir_, number = s.number, from = state_.offset, to = s.bytes,
                                 wanted]() -> result<collected_rows> {
        const auto bytes = dir.read(number, from, to);
        if (!bytes) {
            return fail(bytes.error());
        }
        auto c = collect(*bytes, wanted);
        c.end_offset += from;
        return c;
    });
    co_return r;
}

event_batch disk_spool::make_batch(const segment& s, collected_rows c) const {
    event_batch b;
    b.segment = s.number;
    b.first_row = state_.row;
    b.end_row = c.end_row;
    b.end_offset = c.end_offset;
    b.rows = c.rows;
    b.lost = c.lost;
    b.bytes = std::move(c.bytes);
    b.oldest = c.oldest.value_or(timestamp{});
    b.token = state_.spool_id + ":" + std::to_string(s.number) + ":" + std::to_string(b.first_row) +
              "-" + std::to_string(b.end_row);
    return b;
}

task<result<std::optional<event_batch>>> disk_spool::next(std::uint64_t rows_max) {
    if (!opened_) {
        auto r = co_await open();
        if (!r) {
            co_return fail(r.error());
        }
    }
    if (!recovered_) {
        co_await recover();
    }
    while (const segment* s = front()) {
        const segment seen = *s;  // the deque may change while the file is read
        auto c = co_await read(seen, rows_max);
        if (!c && c.error().code == errc::data_loss && ++unreadable_ >= unreadable_max) {
            c = collected_rows{};
        }
        if (!c) {
            co_return fail(c.error());
        }
        unreadable_ = 0;
        if (c->rows == 0 && c->lost == 0) {
            // Nothing more can be read of it, whatever was counted.
            if (!segments_.front().sealed && (writing_ || segments_.front().bytes > seen.bytes)) {
                co_return std::optional<event_batch>();
            }
            seal_active_if_front();
            drop_front();
            continue;
        }
        auto batch = make_batch(seen, std::move(*c));
        if (!state_.has_plan()) {
            state_.plan_end = batch.end_row;
            co_await persist();
            if (persist_failing_) {
                // A later run may not know that this number was used.
                batch.token += ":" + random_hex(8);
            }
            fault_point("analytics.planned");
        }
        co_return std::move(batch);
    }
    if (!drained_.empty()) {
        co_await persist();
    }
    co_return std::optional<event_batch>();
}

void disk_spool::seal_active_if_front() {
    if (segments_.size() == 1) {
        seal_active();
    }
}

void disk_spool::forget_borders(const event_batch&) {
    state_.plan_end = 0;
}

task<> disk_spool::acknowledge(const event_batch& b) {
    fault_point("analytics.before_ack");
    books_.store(b.rows);
    co_await settle(b);
}

task<> disk_spool::quarantine(const event_batch& b) {
    if (quarantined_files_ < options_.quarantine_files_max) {
        ++quarantined_files_;
        auto r =
            co_await pool_.run([dir = dir_, segment = b.segment, row = b.end_row - 1,
                                bytes = b.bytes] { return dir.put_aside(segment, row, bytes); });
        if (!r) {
            log_.warn("event_quarantine_failed", {{"detail", r.error().detail}});
        }
    }
    books_.lose(drop_reason::quarantined, b.rows);
    co_await settle(b);
}

task<> disk_spool::settle(const event_batch& b) {
    if (b.lost > 0) {
        books_.lose(drop_reason::damaged, b.lost);
        log_.warn("events_lost", {{"segment", b.segment}, {"events", b.lost}});
    }
    state_.offset = b.end_offset;
    state_.row = b.end_row;
    state_.plan_end = 0;
    // While more waits, the next batch's borders carry this along.
    if (front() == nullptr || !drained_.empty()) {
        co_await persist();
        fault_point("analytics.acked");
    }
}

task<> disk_spool::persist() {
    ++state_.sequence;
    state_.settled = books_.now();
    // Files go after the state that needs them no more: the books of what they held are in it.
    const auto drained = std::exchange(drained_, {});
    auto r = co_await pool_.run([file = state_file_, s = state_, dir = dir_, drained] {
        auto w = segment_dir::write_state(*file, s);
        for (const auto& segment : drained) {
            dir.remove(segment.number);
            fault_point("analytics.segment_removed");
        }
        return w;
    });
    for (const auto& segment : drained) {
        disk_bytes_ -= segment.bytes;
    }
    // Going on is right: without it a crash may store a batch twice, but standing still would lose
    // all that comes once the spool is full.
    if (!r && !persist_failing_) {
        log_.error("event_spool_state_not_written", {{"detail", r.error().detail}});
    }
    persist_failing_ = !r;
}

}  // namespace vora::analytics
