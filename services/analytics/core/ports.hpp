#pragma once
// What ingest and drain need from the outside.

#include "libs/base/clock.hpp"
#include "libs/base/result.hpp"
#include "libs/base/task.hpp"
#include "services/analytics/core/ledger.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace vora::analytics {

// Where ingest puts rows.
class event_sink {
 public:
    virtual ~event_sink() = default;
    // Returns when the rows are written (not synced), or entered in the ledger as dropped; never
    // fails, never waits for ClickHouse. Rows are RowBinary, `events` > 0 of them.
    virtual task<> append(std::string rows, std::uint32_t events) = 0;
};

// A run of rows of one segment. The token names the run, so the same token means the same rows.
struct event_batch {
    std::uint64_t segment = 0;
    std::uint64_t first_row = 0;
    std::uint64_t end_row = 0;
    std::uint64_t end_offset = 0;
    std::uint64_t rows = 0;  // in `bytes`; 0: all of them were lost
    std::uint64_t lost = 0;  // damaged ones in between
    std::string bytes;
    std::string token;
    timestamp oldest;  // received; of the epoch when there are no rows
};

// Where the drain takes them from. One caller.
class event_backlog {
 public:
    virtual ~event_backlog() = default;
    // Events, and bytes of them, that wait. Counts what an earlier run left once next() has looked.
    virtual std::uint64_t events() const = 0;
    virtual std::uint64_t bytes() const = 0;
    // Whether what is next has waited for company already, and goes without waiting again.
    virtual bool is_due() const { return false; }
    // Returns when there is something to drain, or after `limit`.
    virtual task<> wait(milliseconds limit) = 0;
    // The batch after what was acknowledged: the one that was begun before, else a new one of at
    // most rows_max, whose borders are durable before this returns. nullopt: nothing waits.
    // Errors: unavailable, data_loss ("spool_unreadable"): try again later.
    virtual task<result<std::optional<event_batch>>> next(std::uint64_t rows_max) = 0;
    // The batch is settled: its rows are stored, or (quarantined) put aside.
    virtual task<> acknowledge(const event_batch& b) = 0;
    virtual task<> quarantine(const event_batch& b) = 0;
    // The batch was refused as a whole, nothing of it is stored: its borders may be drawn anew.
    virtual void forget_borders(const event_batch& b) = 0;
};

// Both ends of what lies between ingest and drain.
class event_spill : public event_sink, public event_backlog {
 public:
    // Before anything else. Never fails: what cannot be used now is tried again.
    virtual task<> start() = 0;
    // After the last append() and next(): hands on what waits, within a few seconds.
    virtual task<> stop() = 0;
    // Bytes it holds of the machine: disk or memory.
    virtual std::uint64_t bytes_held() const = 0;
    // Whether the ledger holds what an earlier run left.
    virtual bool recovered() const = 0;
};

// The PlaybackEvents table.
class event_store {
 public:
    virtual ~event_store() = default;
    // Creates what is missing and looks whether the columns are there.
    virtual task<result<void>> prepare() = 0;
    // Success: the rows are stored, once per token. invalid_argument: nothing is stored, these rows
    // will never be taken (or the table is not there). Anything else: the outcome is unknown, the
    // same rows with the same token may come again.
    virtual task<result<void>> insert(std::string rows, std::string token) = 0;
};

}  // namespace vora::analytics
