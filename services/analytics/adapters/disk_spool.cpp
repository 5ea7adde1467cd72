#include "services/analytics/adapters/disk_spool.hpp"

#include "libs/base/crypto.hpp"
#include "libs/base/fault_point.hpp"

#include <algorithm>
#include <utility>

namespace vora::analytics {

namespace {

constexpr std::uint64_t segment_bytes_min = 4096;
constexpr std::size_t write_bytes_max = 1 << 20;
constexpr milliseconds stop_patience{2'000};

std::uint64_t bytes_of(std::string_view rows) {
    return record_header_bytes + rows.size();
}

}  // namespace

disk_spool::disk_spool(executor ex, blocking_pool& pool, const clock_source& clock, ledger& books,
                       obs::logger log, disk_spool_options o)
    : ex_(ex),
      pool_(pool),
      clock_(clock),
      books_(books),
      log_(std::move(log)),
      options_(std::move(o)),
      dir_(options_.dir),
      write_wake_(ex),
      sync_wake_(ex),
      idle_wake_(ex),
      backlog_wake_(ex),
      group_(ex) {
    options_.segment_bytes =
        std::max(segment_bytes_min, std::min(options_.segment_bytes, options_.bytes_max / 4));
}

disk_spool::~disk_spool() = default;

task<> disk_spool::start() {
    auto r = co_await open();
    if (!r) {
        log_.error("event_spool_unusable",
                   {{"reason", r.error().reason}, {"detail", r.error().detail}});
    }
    group_.spawn(write_loop());
    group_.spawn(sync_loop());
}

task<result<void>> disk_spool::open() {
    auto found = co_await pool_.run([dir = dir_] { return dir.open(); });
    if (!found) {
        co_return fail(found.error());
    }
    if (opened_) {
        co_return result<void>{};  // ingest and drain may both have tried
    }
    state_file_ = found->state_file;
    if (found->state) {
        state_ = *found->state;
    } else {
        // Before the first batch there is no state; afterwards its loss may store events twice.
        if (found->state_damaged) {
            log_.error("event_spool_state_lost", {{"segments", found->segments.size()}});
        }
        state_.spool_id =
            found->id_of_segments.empty() ? random_hex(spool_id_bytes / 2) : found->id_of_segments;
    }
    next_number_ = std::max<std::uint64_t>(1, state_.segment + 1);
    for (const auto& s : found->segments) {
        segments_.push_back({s.number, s.bytes, 0, true});
        disk_bytes_ += s.bytes;
        next_number_ = std::max(next_number_, s.number + 1);
    }
    quarantined_files_ = found->quarantined_files;
    opened_ = true;
    books_.carry_over(state_.settled);
    co_return result<void>{};
}

task<> disk_spool::stop() {
    const auto deadline = std::chrono::steady_clock::now() + stop_patience;
    while ((writing_ || !waiting_.empty()) && std::chrono::steady_clock::now() < deadline) {
        co_await idle_wake_.wait(100ms);
    }
    co_await group_.stop();
    co_await sync();
    if (opened_) {
        co_await persist();
    }
}

task<> disk_spool::append(std::string rows, std::uint32_t events) {
    if (waiting_bytes_ + rows.size() > options_.waiting_bytes_max) {
        books_.refuse(drop_reason::spool_busy, events);
        co_return;
    }
    waiting_bytes_ += rows.size();
    const auto e = std::make_shared<entry>(ex_, std::move(rows), events, clock_.now());
    waiting_.push_back(e);
    write_wake_.notify();
    while (!e->done) {
        co_await e->written.wait(1h);
    }
}

task<> disk_spool::write_loop() {
    for (;;) {
        if (waiting_.empty()) {
            idle_wake_.notify();
            co_await write_wake_.wait(1h);
            continue;
        }
        writing_ = true;
        co_await write_some();
        writing_ = false;
    }
}

task<> disk_spool::write_some() {
    if (!opened_) {
        auto r = co_await open();
        if (!r) {
            chunk all;
            all.entries.assign(waiting_.begin(), waiting_.end());
            waiting_.clear();
            waiting_bytes_ = 0;
            not_written(all, r.error());
            co_return;
        }
    }
    chunk c = take_chunk();
    if (c.entries.empty()) {
        co_return;
    }
    auto r = co_await pool_.run([&c, dir = dir_]() -> result<std::shared_ptr<spool_file>> {
        auto file = c.file;
        if (c.creates) {
            auto made = dir.create(*c.creates);
            if (!made) {
                return made;
            }
            file = *made;
        }
        if (auto w = file->write_at(c.offset, c.bytes); !w) {
            // What was written of it must not be found by a later run: it counts as dropped.
            if (auto cut = file->cut_to(c.offset); !cut) {
                return fail(errc::internal, "spool_error", w.error().detail);
            }
            if (c.creates) {
                dir.remove(c.creates->number);
            }
            return fail(w.error());
        }
        return file;
    });
    if (!r) {
        not_written(c, r.error());
        co_return;
    }
    written(c, std::move(*r));
}

disk_spool::segment* disk_spool::active() {
    return active_file_ ? &segments_.back() : nullptr;
}

void disk_spool::seal_active() {
    if (active_file_) {
        segments_.back().sealed = true;
        active_file_.reset();
    }
}

bool disk_spool::has_room(std::uint64_t more_bytes) {
    if (disk_bytes_ + more_bytes <= options_.bytes_max) {
        return true;
    }
    // When the open segment is all drained it need not wait until it is full.
    if (segments_.size() == 1 && active() != nullptr && is_drained(segments_.front()) &&
        segments_.front().rows > 0) {
        seal_active();
        drop_front();
    }
    for (const auto& gone : std::exchange(drained_, {})) {
        disk_bytes_ -= gone.bytes;
        pool_.post([dir = dir_, number = gone.number] { dir.remove(number); });
    }
    return disk_bytes_ + more_bytes <= options_.bytes_max;
}

// Where the next bytes go: behind the last ones, or into a new segment.
void disk_spool::begin(chunk& c, std::uint64_t record_bytes) {
    const segment* s = active();
    if (s != nullptr && s->bytes + record_bytes > options_.segment_bytes && s->rows > 0) {
        seal_active();
        s = nullptr;
        c.creates = segment_header{state_.spool_id, next_number_++, segments_.back().rows};
    } else if (s == nullptr) {
        c.creates = segment_header{state_.spool_id, next_number_++, rows_unknown};
    }
    c.file = active_file_;
    c.offset = s == nullptr ? segment_header_bytes : s->bytes;
}

disk_spool::chunk disk_spool::take_chunk() {
    chunk c;
    std::uint64_t first_row = 0;
    while (!waiting_.empty()) {
        const auto e = waiting_.front();
        const std::uint64_t size = bytes_of(e->rows);
        const std::uint64_t needed = segment_header_bytes + c.bytes.size() + size;
        if (c.entries.empty() ? !has_room(needed) : disk_bytes_ + needed > options_.bytes_max) {
            if (!c.entries.empty()) {
                break;
            }
            waiting_.pop_front();
            waiting_bytes_ -= e->rows.size();
            chunk refused;
            refused.entries.push_back(e);
            not_written(refused, error{errc::resource_exhausted, "spool_full", "the budget"});
            continue;
        }
        if (c.entries.empty()) {
            begin(c, size);
            first_row = c.creates ? 0 : segments_.back().rows;
        } else if (c.bytes.size() + size > write_bytes_max ||
                   c.offset + c.bytes.size() + size > options_.segment_bytes) {
            break;
        }
        waiting_.pop_front();
        waiting_bytes_ -= e->rows.size();
        append_record(c.bytes, e->rows, e->events, first_row + c.events, e->received);
        c.events += e->events;
        c.entries.push_back(e);
    }
    return c;
}

void disk_spool::written(chunk& c, std::shared_ptr<spool_file> file) {
    if (c.creates) {
        active_file_ = file;
        segments_.push_back({c.creates->number, segment_header_bytes, 0, false});
        disk_bytes_ += segment_header_bytes;
    }
    segments_.back().bytes += c.bytes.size();
    segments_.back().rows += c.events;
    disk_bytes_ += c.bytes.size();
    write_failing_ = false;
    books_.spool(c.events);
    if (unsynced_.empty() || unsynced_.back() != file) {
        unsynced_.push_back(std::move(file));
    }
    fault_point("analytics.appended");
    sync_wake_.notify();
    backlog_wake_.notify();
    for (const auto& e : c.entries) {
        e->done = true;
        e->written.notify();
    }
}

void disk_spool::not_written(chunk& c, const error& why) {
    const bool full = why.code == errc::resource_exhausted;
    if (!std::exchange(write_failing_, true)) {
        log_.warn(full ? "event_spool_full" : "event_spool_error",
                  {{"detail", why.detail}, {"disk_bytes", disk_bytes_}});
    }
    if (why.code == errc::internal) {
        seal_active();  // its end is not known any more
    }
    for (const auto& e : c.entries) {
        books_.refuse(full ? drop_reason::spool_full : drop_reason::spool_error, e->events);
        e->done = true;
        e->written.notify();
    }
}

task<> disk_spool::sync_loop() {
    for (;;) {
        co_await sync_wake_.wait(1h);
        co_await sleep_for(options_.sync_after);
        co_await sync();
    }
}

task<> disk_spool::sync() {
    auto files = std::exchange(unsynced_, {});
    if (files.empty()) {
        co_return;
    }
    auto r = co_await pool_.run([files = std::move(files), dir = dir_]() -> result<void> {
        dir.sync();
        for (const auto& file : files) {
            if (auto s = file->sync(); !s) {
                return s;
            }
        }
        return {};
    });
    if (!r) {
        log_.warn("event_spool_sync_failed", {{"detail", r.error().detail}});
    }
}

}  // namespace vora::analytics
