#pragma once
// Inside the embedded engine. It is a state machine on the loop: calls and timers put items into a
// run's inbox, one turn at a time takes them, and callbacks of the store carry on after each
// commit. Memory changes only after the commit, so a failed one leaves the engine as it was. The
// only coroutines are the store's writer and the ticker, so a caller that is cancelled never
// interrupts a change half-way.
//
// engine.cpp: life; client_calls.cpp: what callers see; turns.cpp: workflow tasks; activities.cpp:
// queues, attempts, timeouts.

#include "libs/durable/engine_embedded/engine.hpp"
#include "libs/durable/engine_embedded/store.hpp"

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace vora::durable {

inline constexpr milliseconds store_retry{1'000};
std::string_view name_of(run_status s);
std::unexpected<error> engine_stopped();
// The row of the attempt after this one.
activity_row next_attempt(const activity_row& a, failure why, timestamp available);

// A value that a callback sets and a coroutine waits for. The waiter may vanish.
template <class T>
class deferred {
 public:
    explicit deferred(const executor& ex) : state_(std::make_shared<shared>(ex)) {}
    void set(T value) const {
        state_->value.emplace(std::move(value));
        state_->wake.notify();
    }
    task<T> get() const { return wait(state_); }

 private:
    struct shared {
        explicit shared(const executor& ex) : wake(ex) {}
        wake_signal wake;
        std::optional<T> value;
    };
    static task<T> wait(std::shared_ptr<shared> s) {
        while (!s->value) {
            co_await s->wake.wait(std::chrono::hours(1));
        }
        co_return std::move(*s->value);
    }
    std::shared_ptr<shared> state_;
};

struct live_activity : activity_row {
    explicit live_activity(activity_row r) : activity_row(std::move(r)) {}
    bool settling = false;  // a change of it is being committed, or its end lies in the inbox
    bool queued = false;
    timestamp heard;  // start or last heartbeat of this attempt
    bool heartbeat_writing = false;
    bool heartbeat_newer = false;  // than the one being written
};

struct live_timer {
    timestamp at;
    bool firing = false;
};

struct inbox_item {
    enum class kind { signal, cancel, terminate, timer, activity, query };
    kind what = kind::signal;
    history_event event;  // query: name and payload
    std::function<void(result<void>)> done = [](const result<void>&) {};
    std::function<void(result<std::string>)> answered;  // query
};

struct open_run {
    run_row row;
    std::int64_t last_event_id = 0;
    timestamp last_task_time;
    std::map<std::uint32_t, live_activity> activities;
    std::map<std::uint32_t, live_timer> timers;
    std::unique_ptr<workflow_run> interpreter;  // or none: replayed when needed
    std::vector<history_event> undelivered;     // known only with an interpreter
    std::vector<inbox_item> inbox;
    bool busy = false;  // a turn is under way
    bool closed = false;
    bool wants_task = false;  // events wait for the definition
    bool cancel_requested = false;
    int task_failures = 0;
    timestamp task_retry_at;
    timestamp hold_until;                 // the store failed: nothing becomes due before
    std::optional<timestamp> next_check;  // its entry in checks_
    std::uint64_t used = 0;               // its entry in cached_
};

// Names one attempt to whoever works on it.
inline std::string token_of(const open_run& run, const activity_row& a) {
    return run.row.run_id + ":" + std::to_string(a.seq) + ":" + std::to_string(a.attempt);
}

// What one activation and its transaction need.
struct turn {
    std::shared_ptr<open_run> run;
    std::vector<inbox_item> items;
    std::vector<inbox_item> queries;
    run_changes changes;
    std::vector<history_event> undelivered_after;
    std::optional<timestamp> task_time;  // an activation was made
};

struct poll_waiter {
    explicit poll_waiter(const executor& ex) : wake(ex) {}
    wake_signal wake;
    std::optional<result<std::optional<activity_task>>> answer;
    bool claiming = false;
    bool gone = false;
    void set(result<std::optional<activity_task>> r) {
        answer.emplace(std::move(r));
        wake.notify();
    }
};

struct activity_queue {
    struct entry {
        std::string run_id;
        std::uint32_t seq = 0;
    };
    std::map<std::pair<timestamp, std::uint64_t>, entry> ready;  // by schedule time
    std::list<std::shared_ptr<poll_waiter>> waiters;
};

class embedded_engine::state {
 public:
    using run_ptr = std::shared_ptr<open_run>;
    using turn_ptr = std::shared_ptr<turn>;

    state(executor ex, blocking_pool& pool, const clock_source& clock, workflow_registry registry,
          embedded_engine_options options, obs::logger log, obs::metrics& metrics);

    // engine.cpp
    task<result<void>> start();
    task<> stop(bool abandon);
    task<> tick();
    void process_due();
    void show_queues();
    void resume(open_run_rows rows);
    void lose_attempt(const run_ptr& run, live_activity& a);
    run_ptr find(const std::string& workflow_id) const;
    void add(const run_ptr& run);
    void drop_old_histories();
    task<result<void>> end(std::string workflow_id, inbox_item item);
    // Finds a run that is not open; `then` gets it, or nothing. It may have been opened meanwhile.
    void look_up(const std::string& workflow_id,
                 std::function<void(result<std::optional<run_row>>)> then);
    void query_closed(const run_row& run, history_event query,
                      std::function<void(result<std::string>)> answered);

    // turns.cpp
    void post(const run_ptr& run, inbox_item item);
    void pump(const run_ptr& run);
    void take_inbox(turn& t);
    void load_then_step(const turn_ptr& t);
    void step(const turn_ptr& t);
    void add_commands(turn& t, const completion& done, timestamp at);
    void cancel_activity(turn& t, std::uint32_t seq);
    void task_failed(const turn_ptr& t, const std::string& reason, const std::string& detail);
    void commit(const turn_ptr& t);
    void committed(const turn_ptr& t, const result<void>& r);
    void apply(turn& t);
    void close(const turn_ptr& t);
    void answer_closed(const run_row& run, inbox_item item);
    void answer_queries(turn& t);
    void refuse_queries(turn& t, const error& why);
    void keep_cached(const run_ptr& run);
    workflow_run::log_sink log_sink() const;

    // activities.cpp
    void enqueue(const run_ptr& run, live_activity& a);
    void match(const std::string& task_queue);
    void claim(const run_ptr& run, live_activity& a, const std::shared_ptr<poll_waiter>& waiter);
    void claimed(const run_ptr& run, const activity_row& attempt,
                 const std::shared_ptr<poll_waiter>& waiter, const result<void>& r);
    void give_back(const std::string& task_token);
    std::pair<run_ptr, live_activity*> find_attempt(const std::string& task_token) const;
    void write_heartbeat(const run_ptr& run, live_activity& a);
    using done_callback = std::function<void(result<void>)>;
    void attempt_failed(const run_ptr& run, live_activity& a, failure f, done_callback done);
    void try_again(const run_ptr& run, live_activity& a, activity_row next, done_callback done);
    void attempt_written(const run_ptr& run, live_activity& a, const activity_row& next,
                         const result<void>& r);
    void resolve_failed(const run_ptr& run, live_activity& a, failure f, done_callback done);
    std::optional<timestamp> retry_time(const activity_row& a, const failure& f) const;
    void check(const run_ptr& run);
    void check_activity(const run_ptr& run, live_activity& a);
    std::optional<timestamp> deadline(const open_run& run) const;
    void reschedule(const run_ptr& run);

    timestamp now() const { return clock.now(); }

    executor ex;
    const clock_source& clock;
    const workflow_registry registry;
    const embedded_engine_options options;
    obs::logger log;
    store db;
    task_group writer;
    task_group ticker;
    wake_signal tick_wake;
    bool running = false;
    timestamp next_retention;

    std::map<std::string, run_ptr> runs;         // open, by run id
    std::map<std::string, std::string> run_ids;  // workflow id -> run id, open
    std::map<std::string, activity_queue> queues;
    std::set<std::pair<timestamp, std::string>> checks;  // run ids by their next deadline
    std::map<std::uint64_t, std::string> cached;         // run ids by last use
    std::uint64_t counter = 0;

    obs::metrics& registered;
    obs::gauge& runs_open;
    obs::counter& task_failures;
    obs::counter& attempts_completed;
    obs::counter& attempts_failed;
    obs::counter& attempts_lost;
    std::map<run_status, obs::counter*> runs_closed;
};

}  // namespace vora::durable
