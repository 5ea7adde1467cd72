#pragma once
// The spool on disk: ingest appends, the drain reads behind it.
//
// Appending: requests that come while a write is under way are written together by the next one.
// Writes happen on the pool, since even a buffered write can block for long while an upload fills
// the page cache, and the loop must not. A request is answered when its write has returned: what
// was answered survives the death of the process; a power cut costs at most the last sync interval.
//
// Limits: the segments never take more than bytes_max. What does not fit is dropped and counted,
// the new events, not the old: the old ones may have been sent already and their batch has to stay
// as it is, and dropping the new needs no write on a disk that is full. Whatever the disk does, no
// call fails.
//
// After a start the spool goes on in a new segment; nothing is ever appended to a file of an
// earlier run, so its torn tail hurts nobody and goes with the file.

#include "libs/base/async.hpp"
#include "libs/obs/log.hpp"
#include "services/analytics/adapters/segment_dir.hpp"
#include "services/analytics/core/ports.hpp"

#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace vora::analytics {

struct disk_spool_options {
    std::string dir;
    std::uint64_t bytes_max = 1ull << 30;
    std::uint64_t segment_bytes = 8 << 20;  // at most a quarter of bytes_max is used
    milliseconds sync_after{500};
    std::size_t waiting_bytes_max = 4 << 20;  // not yet written
    std::size_t batch_bytes_max = 4 << 20;
    std::uint64_t quarantine_files_max = 1000;
};

class disk_spool final : public event_spill {
 public:
    disk_spool(executor ex, blocking_pool& pool, const clock_source& clock, ledger& books,
               obs::logger log, disk_spool_options o);
    ~disk_spool() override;
    disk_spool(const disk_spool&) = delete;

    // A directory that cannot be used now is tried again with each write.
    task<> start() override;
    task<> stop() override;

    task<> append(std::string rows, std::uint32_t events) override;

    std::uint64_t events() const override { return books_.now().spooled; }
    std::uint64_t bytes() const override;
    task<> wait(milliseconds limit) override;
    task<result<std::optional<event_batch>>> next(std::uint64_t rows_max) override;
    task<> acknowledge(const event_batch& b) override;
    task<> quarantine(const event_batch& b) override;
    void forget_borders(const event_batch& b) override;

    std::uint64_t bytes_held() const override { return disk_bytes_; }
    // What an earlier run left is counted behind the first answers: a full spool takes seconds to
    // read.
    bool recovered() const override { return recovered_; }

 private:
    struct segment {
        std::uint64_t number = 0;
        std::uint64_t bytes = 0;  // written and answered for
        std::uint64_t rows = 0;   // numbered so far
        bool sealed = false;      // nothing more is appended
    };
    // A request's rows on their way to the disk.
    struct entry {
        entry(executor ex, std::string r, std::uint32_t n, timestamp t)
            : rows(std::move(r)), events(n), received(t), written(ex) {}
        std::string rows;
        std::uint32_t events;
        timestamp received;
        bool done = false;
        wake_signal written;
    };
    // What one write takes.
    struct chunk {
        std::optional<segment_header> creates;
        std::shared_ptr<spool_file> file;  // when it creates none
        std::uint64_t offset = 0;
        std::uint64_t events = 0;
        std::string bytes;
        std::vector<std::shared_ptr<entry>> entries;
    };

    // Ingest side, disk_spool.cpp.
    task<result<void>> open();
    task<> write_loop();
    task<> write_some();
    task<> sync_loop();
    task<> sync();
    chunk take_chunk();
    void begin(chunk& c, std::uint64_t record_bytes);
    // Whether so many bytes more keep the budget; gives up what is drained to make room.
    bool has_room(std::uint64_t more_bytes);
    void written(chunk& c, std::shared_ptr<spool_file> file);
    void not_written(chunk& c, const error& why);
    segment* active();
    void seal_active();

    // Drain side, disk_spool_drain.cpp.
    task<> recover();
    task<> count_segment(std::size_t at);
    // The segment that is drained now; nullptr: nothing waits.
    segment* front();
    bool is_drained(const segment& s) const;
    void drop_front();
    void seal_active_if_front();
    task<result<collected_rows>> read(const segment& s, std::uint64_t rows_max);
    event_batch make_batch(const segment& s, collected_rows c) const;
    task<> settle(const event_batch& b);
    task<> persist();

    executor ex_;
    blocking_pool& pool_;
    const clock_source& clock_;
    ledger& books_;
    obs::logger log_;
    disk_spool_options options_;
    segment_dir dir_;

    bool opened_ = false;
    std::uint64_t next_number_ = 1;
    std::uint64_t disk_bytes_ = 0;
    std::deque<segment> segments_;        // in order; only the last can be open for writing
    std::vector<found_segment> drained_;  // files that the next persist() removes

    std::deque<std::shared_ptr<entry>> waiting_;
    std::size_t waiting_bytes_ = 0;
    bool writing_ = false;
    std::shared_ptr<spool_file>
        active_file_;  // of segments_.back(); null: the next write makes one
    std::vector<std::shared_ptr<spool_file>> unsynced_;
    bool write_failing_ = false;  // said once, not per request
    wake_signal write_wake_;
    wake_signal sync_wake_;
    wake_signal idle_wake_;

    std::shared_ptr<spool_file> state_file_;
    spool_state state_;
    bool recovered_ = false;
    bool persist_failing_ = false;
    int unreadable_ = 0;  // attempts at the front segment
    std::uint64_t quarantined_files_ = 0;
    wake_signal backlog_wake_;
    task_group group_;
};

}  // namespace vora::analytics
