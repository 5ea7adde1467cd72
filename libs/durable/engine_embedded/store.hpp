#pragma once
// The engine's file: one SQLite database (WAL, synchronous = FULL), one connection, one writer.
//
// Work is handed in as functions that run on the blocking pool, in order. What lies in the queue
// together is committed together (one fsync for many runs); when one of them throws, the batch is
// rolled back and each is run in a transaction of its own, so that one bad change does not fail its
// neighbours. `done` is called on the loop after the commit, in order.

#include "libs/base/async.hpp"
#include "libs/durable/client.hpp"
#include "libs/durable/engine_embedded/engine.hpp"
#include "libs/durable/engine_embedded/history.hpp"

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace SQLite {
class Database;
}

namespace vora::durable {

// A pending activity as it is stored, and kept in memory.
struct activity_row {
    std::uint32_t seq = 0;
    std::string type;
    std::string input;
    activity_options options;
    int attempt = 1;
    int lost = 0;  // attempts whose process died
    int uncounted =
        0;  // attempts that maximum_attempts does not count: lost, or the worker stopped
    bool started = false;
    bool cancel_requested = false;
    timestamp scheduled;  // the first attempt
    timestamp available;  // this attempt may start
    timestamp began;      // this attempt started
    std::string heartbeat_details;
    std::optional<failure> last_failure;
};

struct run_row {
    std::string workflow_id;
    std::string run_id;
    std::string workflow_type;
    std::string task_queue;
    run_status status = run_status::running;
    timestamp started;
    std::optional<timestamp> closed;
    std::optional<failure> cause;
    bool history_kept = true;
};

struct open_run_rows {
    run_row run;
    std::int64_t last_event_id = 0;
    std::vector<activity_row> activities;
    std::vector<std::pair<std::uint32_t, timestamp>> timers;
};

// One state change of a run: written whole or not at all.
struct run_changes {
    std::vector<history_event> events;
    std::vector<activity_row> activities_scheduled;
    std::vector<std::uint32_t> activities_cancel_requested;
    std::vector<std::uint32_t> activities_removed;
    std::vector<std::pair<std::uint32_t, timestamp>> timers_put;
    std::vector<std::uint32_t> timers_removed;
    struct close {
        run_status status = run_status::completed;
        timestamp at;
        std::optional<failure> cause;
    };
    std::optional<close> closed;
};

// Statements, called on the pool inside a store's transaction. They throw on a damaged or
// unreachable file.
namespace sql {
void migrate(SQLite::Database& db);
bool insert_run(SQLite::Database& db, const run_row& run, const history_event& started);
void write(SQLite::Database& db, const std::string& run_id, const run_changes& changes);
// What a new or a failed attempt changes of its row: attempt, counters, times, last failure.
void write_attempt(SQLite::Database& db, const std::string& run_id, const activity_row& a);
void write_heartbeat(SQLite::Database& db, const std::string& run_id, std::uint32_t seq,
                     const std::string& details);
std::vector<open_run_rows> load_open_runs(SQLite::Database& db);
std::vector<history_event> load_history(SQLite::Database& db, const std::string& run_id);
std::optional<run_row> find_run(SQLite::Database& db, const std::string& workflow_id);
std::vector<run_row> list_runs(SQLite::Database& db, const run_query& q);
run_description description_of(const run_row& row);
// Drops the histories of runs closed before `before`, at most `runs_max`; the ids stay known.
int drop_histories(SQLite::Database& db, timestamp before, int runs_max);
}  // namespace sql

class store {
 public:
    using work = std::function<void(SQLite::Database&)>;
    using callback = std::function<void(result<void>)>;

    store(executor ex, blocking_pool& pool, std::string path);
    ~store();

    task<result<void>> open();
    // done gets unavailable ("workflow_store_failed") when the work was not committed.
    void submit(work w, callback done);
    // Commits batches until finish() and the queue is empty. Run by the owner, once.
    task<> run();
    void finish();
    // Takes no work any more and calls no callback: as if the process had died here.
    void abandon();
    bool idle() const { return queue_.empty() && !committing_; }

 private:
    struct item {
        work run;
        callback done;
    };
    std::vector<result<void>> commit(std::vector<item>& batch);

    blocking_pool& pool_;
    std::string path_;
    std::unique_ptr<SQLite::Database> db_;  // used by one pool thread at a time
    std::deque<item> queue_;
    wake_signal wake_;
    bool committing_ = false;
    bool finishing_ = false;
    bool abandoned_ = false;
};

}  // namespace vora::durable
