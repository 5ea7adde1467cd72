#include "libs/durable/engine_embedded/engine.hpp"

#include "libs/base/crypto.hpp"
#include "libs/durable/engine_embedded/engine_state.hpp"

#include <algorithm>
#include <cstring>

namespace vora::durable {

namespace {

// The wall clock may jump: it is looked at this often at least.
constexpr milliseconds tick_max{1'000};
constexpr auto retention_interval = std::chrono::hours(1);
constexpr int dropped_at_once_max = 200;

std::unexpected<error> not_found() {
    return fail(errc::not_found, "workflow_not_found");
}

std::unexpected<error> too_large() {
    return fail(errc::resource_exhausted, "payload_too_large", "pass references, not data");
}

std::uint64_t random_seed() {
    const std::string bytes = random_bytes(sizeof(std::uint64_t));
    std::uint64_t seed = 0;
    std::memcpy(&seed, bytes.data(), sizeof seed);
    return seed | 1;  // zero means none in a history
}

run_description description_of(const run_row& row) {
    run_description d;
    d.workflow_id = row.workflow_id;
    d.run_id = row.run_id;
    d.workflow_type = row.workflow_type;
    d.status = row.status;
    d.started = row.started;
    d.closed = row.closed;
    d.last_failure = row.cause;
    return d;
}

run_description description_of(const open_run& run) {
    run_description d = description_of(run.row);
    for (const auto& [seq, a] : run.activities) {
        d.pending_activities.push_back({a.type, a.attempt, a.heartbeat_details,
                                        a.last_failure ? a.last_failure->root().type : ""});
    }
    return d;
}

}  // namespace

std::string_view name_of(run_status s) {
    switch (s) {
        case run_status::running:
            return "running";
        case run_status::completed:
            return "completed";
        case run_status::failed:
            return "failed";
        case run_status::cancelled:
            return "cancelled";
        case run_status::terminated:
            return "terminated";
        case run_status::timed_out:
            return "timed_out";
    }
    return "unknown";
}

std::unexpected<error> engine_stopped() {
    return fail(errc::unavailable, "engine_stopped");
}

embedded_engine::state::state(executor e, blocking_pool& pool, const clock_source& c,
                              workflow_registry r, embedded_engine_options o, obs::logger l,
                              obs::metrics& metrics)
    : ex(e),
      clock(c),
      registry(std::move(r)),
      options(std::move(o)),
      log(std::move(l)),
      db(e, pool, options.db_path),
      writer(e),
      ticker(e),
      tick_wake(e),
      runs_open(metrics.gauge("vora_durable_runs_open", "Workflow runs that are open")),
      task_failures(metrics.counter("vora_durable_workflow_task_failures_total",
                                    "Workflow tasks that failed and are tried again")),
      attempts_completed(metrics.counter("vora_durable_activity_attempts_total",
                                         "Ended activity attempts", {{"outcome", "completed"}})),
      attempts_failed(metrics.counter("vora_durable_activity_attempts_total",
                                      "Ended activity attempts", {{"outcome", "failed"}})),
      attempts_lost(metrics.counter("vora_durable_activity_attempts_total",
                                    "Ended activity attempts", {{"outcome", "lost"}})) {
    for (auto s : {run_status::completed, run_status::failed, run_status::cancelled,
                   run_status::terminated}) {
        runs_closed[s] = &metrics.counter("vora_durable_runs_closed_total", "Closed workflow runs",
                                          {{"status", std::string(name_of(s))}});
    }
}

task<result<void>> embedded_engine::state::start() {
    auto opened = co_await db.open();
    if (!opened) {
        co_return opened;
    }
    writer.spawn(db.run());
    deferred<result<void>> loaded(ex);
    auto rows = std::make_shared<std::vector<open_run_rows>>();
    db.submit([rows](SQLite::Database& d) { *rows = sql::load_open_runs(d); },
              [loaded](result<void> r) { loaded.set(std::move(r)); });
    auto r = co_await loaded.get();
    if (!r) {
        db.finish();
        co_await writer.join();
        co_return r;
    }
    running = true;
    next_retention = now();
    for (auto& row : *rows) {
        resume(std::move(row));
    }
    ticker.spawn(tick());
    log.info("workflow_engine_started", {{"open_runs", runs.size()}});
    co_return result<void>{};
}

void embedded_engine::state::resume(open_run_rows rows) {
    auto run = std::make_shared<open_run>();
    run->row = std::move(rows.run);
    run->last_event_id = rows.last_event_id;
    run->wants_task = true;  // whether anything waits is known after the replay
    for (auto& a : rows.activities) {
        run->activities.emplace(a.seq, live_activity(std::move(a)));
    }
    for (const auto& [seq, at] : rows.timers) {
        run->timers[seq] = {at};
    }
    add(run);
    for (auto& [seq, a] : run->activities) {
        if (a.started) {
            lose_attempt(run, a);
        } else if (a.available <= now()) {
            enqueue(run, a);
        }
    }
    reschedule(run);
    pump(run);
}

void embedded_engine::state::lose_attempt(const run_ptr& run, live_activity& a) {
    attempts_lost.add();
    failure lost = failure::application("worker_lost", "the process died in the attempt");
    if (a.lost + 1 >= options.lost_attempts_max) {
        resolve_failed(run, a, std::move(lost), [](const result<void>&) {});
        return;
    }
    auto next = next_attempt(a, std::move(lost), now());
    next.lost += 1;
    next.uncounted += 1;
    try_again(run, a, std::move(next), [](const result<void>&) {});
}

task<> embedded_engine::state::stop(bool abandon) {
    running = false;
    for (auto& [name, q] : queues) {
        for (auto& waiter : q.waiters) {
            waiter->set(engine_stopped());
        }
        q.waiters.clear();
    }
    co_await ticker.stop();
    if (abandon) {
        db.abandon();
    } else {
        db.finish();
    }
    co_await writer.join();
    for (auto& [id, run] : runs) {
        for (auto& item : std::exchange(run->inbox, {})) {
            item.what == inbox_item::kind::query ? item.answered(engine_stopped())
                                                 : item.done(engine_stopped());
        }
    }
}

task<> embedded_engine::state::tick() {
    for (;;) {
        process_due();
        if (now() >= next_retention) {
            next_retention = now() + retention_interval;
            drop_old_histories();
        }
        auto wait = tick_max;
        if (!checks.empty()) {
            wait = std::clamp<milliseconds>(checks.begin()->first - now(), milliseconds(0), wait);
        }
        co_await tick_wake.wait(wait);
    }
}

void embedded_engine::state::process_due() {
    // A run that is looked at may be due again at once; that waits for the next look.
    std::vector<run_ptr> due;
    while (!checks.empty() && checks.begin()->first <= now()) {
        auto run = runs.at(checks.begin()->second);
        checks.erase(checks.begin());
        run->next_check.reset();
        due.push_back(std::move(run));
    }
    for (const auto& run : due) {
        check(run);
    }
}

embedded_engine::state::run_ptr embedded_engine::state::find(const std::string& workflow_id) const {
    const auto id = run_ids.find(workflow_id);
    return id == run_ids.end() ? nullptr : runs.at(id->second);
}

void embedded_engine::state::add(const run_ptr& run) {
    runs[run->row.run_id] = run;
    run_ids[run->row.workflow_id] = run->row.run_id;
    runs_open.set(static_cast<double>(runs.size()));
}

void embedded_engine::state::drop_old_histories() {
    const auto before = now() - std::chrono::duration_cast<milliseconds>(options.retention);
    auto dropped = std::make_shared<int>(0);
    db.submit(
        [before, dropped](SQLite::Database& d) {
            *dropped = sql::drop_histories(d, before, dropped_at_once_max);
        },
        [this, dropped](const result<void>& r) {
            if (r && *dropped == dropped_at_once_max) {
                next_retention = now();  // there is more
            }
        });
}

void embedded_engine::state::look_up(const std::string& workflow_id,
                                     std::function<void(result<std::optional<run_row>>)> then) {
    auto found = std::make_shared<std::optional<run_row>>();
    db.submit([workflow_id, found](SQLite::Database& d) { *found = sql::find_run(d, workflow_id); },
              [found, then = std::move(then)](result<void> r) {
                  if (!r) {
                      then(fail(r.error()));
                  } else {
                      then(std::move(*found));
                  }
              });
}

void embedded_engine::state::query_closed(const run_row& run, history_event query,
                                          std::function<void(result<std::string>)> answered) {
    if (!run.history_kept) {
        answered(fail(errc::failed_precondition, "history_dropped"));
        return;
    }
    auto history = std::make_shared<std::vector<history_event>>();
    const std::string run_id = run.run_id;
    db.submit([run_id, history](SQLite::Database& d) { *history = sql::load_history(d, run_id); },
              [this, run_id, history, query = std::move(query),
               answered = std::move(answered)](const result<void>& r) {
                  if (!r) {
                      answered(fail(r.error()));
                      return;
                  }
                  auto replayed = replay(registry, {}, run_id, *history);
                  if (!replayed) {
                      answered(fail(replayed.error()));
                      return;
                  }
                  auto closed = std::make_shared<open_run>();
                  closed->interpreter = std::move(replayed->run);
                  turn t;
                  t.run = closed;
                  inbox_item item;
                  item.what = inbox_item::kind::query;
                  item.event = query;
                  item.answered = answered;
                  t.queries.push_back(std::move(item));
                  answer_queries(t);
              });
}

embedded_engine::embedded_engine(executor ex, blocking_pool& pool, const clock_source& clock,
                                 workflow_registry registry, embedded_engine_options options,
                                 obs::logger log, obs::metrics& metrics)
    : state_(std::make_unique<state>(ex, pool, clock, std::move(registry), std::move(options),
                                     std::move(log), metrics)) {}

embedded_engine::~embedded_engine() = default;

task<result<void>> embedded_engine::start() {
    return state_->start();
}

task<> embedded_engine::stop() {
    return state_->stop(false);
}

task<> embedded_engine::abandon() {
    return state_->stop(true);
}

task<result<std::string>> embedded_engine::start(start_request r) {
    auto& s = *state_;
    if (!s.running) {
        co_return engine_stopped();
    }
    if (r.input.size() > payload_bytes_max) {
        co_return too_large();
    }
    if (s.registry.find(r.workflow_type) == nullptr) {
        co_return fail(errc::invalid_argument, "unknown_workflow_type", r.workflow_type);
    }
    if (s.find(r.workflow_id)) {
        co_return fail(errc::already_exists, "workflow_already_started");
    }
    if (s.runs.size() >= s.options.open_runs_max) {
        co_return fail(errc::resource_exhausted, "too_many_open_runs");
    }
    auto run = std::make_shared<open_run>();
    run->row = {r.workflow_id, random_uuid(), r.workflow_type, r.task_queue, run_status::running,
                s.now(),       std::nullopt,  std::nullopt,    true};
    run->last_event_id = 1;
    run->wants_task = true;
    history_event started;
    started.id = 1;
    started.type = event_type::workflow_execution_started;
    started.time = run->row.started;
    started.seed = random_seed();
    started.name = r.workflow_type;
    started.workflow_id = r.workflow_id;
    started.payload = std::move(r.input);
    run->undelivered.push_back(started);
    run->interpreter = std::make_unique<workflow_run>(s.registry, s.log_sink());
    auto inserted = std::make_shared<bool>(false);
    deferred<result<std::string>> answer(s.ex);
    s.db.submit([row = run->row, started,
                 inserted](SQLite::Database& d) { *inserted = sql::insert_run(d, row, started); },
                [state = state_.get(), run, inserted, answer](const result<void>& committed) {
                    if (!committed) {
                        answer.set(fail(committed.error()));
                    } else if (!*inserted) {
                        answer.set(fail(errc::already_exists, "workflow_already_started"));
                    } else {
                        state->add(run);
                        state->keep_cached(run);
                        state->pump(run);
                        answer.set(run->row.run_id);
                    }
                });
    co_return co_await answer.get();
}

task<result<void>> embedded_engine::signal(std::string workflow_id, std::string name,
                                           std::string input) {
    auto& s = *state_;
    if (!s.running) {
        co_return engine_stopped();
    }
    if (input.size() > payload_bytes_max) {
        co_return too_large();
    }
    deferred<result<void>> answer(s.ex);
    inbox_item item;
    item.what = inbox_item::kind::signal;
    item.event.type = event_type::workflow_execution_signaled;
    item.event.name = std::move(name);
    item.event.payload = std::move(input);
    item.done = [answer](result<void> r) { answer.set(std::move(r)); };
    if (auto run = s.find(workflow_id)) {
        s.post(run, std::move(item));
    } else {
        s.look_up(workflow_id, [&s, workflow_id, answer, item](auto found) mutable {
            if (auto opened = s.find(workflow_id)) {
                s.post(opened, std::move(item));
            } else if (!found) {
                answer.set(fail(found.error()));
            } else if (!*found) {
                answer.set(not_found());
            } else {
                answer.set(fail(errc::failed_precondition, "workflow_closed"));
            }
        });
    }
    co_return co_await answer.get();
}

task<result<std::string>> embedded_engine::query(std::string workflow_id, std::string name,
                                                 std::string input) {
    auto& s = *state_;
    if (!s.running) {
        co_return engine_stopped();
    }
    deferred<result<std::string>> answer(s.ex);
    inbox_item item;
    item.what = inbox_item::kind::query;
    item.event.name = std::move(name);
    item.event.payload = std::move(input);
    item.answered = [answer](result<std::string> r) { answer.set(std::move(r)); };
    if (auto run = s.find(workflow_id)) {
        s.post(run, std::move(item));
    } else {
        s.look_up(workflow_id, [&s, workflow_id, answer, item](auto found) mutable {
            if (auto opened = s.find(workflow_id)) {
                s.post(opened, std::move(item));
            } else if (!found) {
                answer.set(fail(found.error()));
            } else if (!*found) {
                answer.set(not_found());
            } else {
                s.query_closed(**found, std::move(item.event), std::move(item.answered));
            }
        });
    }
    co_return co_await answer.get();
}

task<result<void>> embedded_engine::cancel(std::string workflow_id) {
    inbox_item item;
    item.what = inbox_item::kind::cancel;
    item.event.type = event_type::workflow_execution_cancel_requested;
    return state_->end(std::move(workflow_id), std::move(item));
}

task<result<void>> embedded_engine::terminate(std::string workflow_id, std::string reason) {
    inbox_item item;
    item.what = inbox_item::kind::terminate;
    item.event.type = event_type::workflow_execution_terminated;
    failure why;
    why.what = failure::kind::terminated;
    why.type = "terminated";
    why.message = std::move(reason);
    item.event.cause = std::move(why);
    return state_->end(std::move(workflow_id), std::move(item));
}

// cancel and terminate: success when the run is closed already.
task<result<void>> embedded_engine::state::end(std::string workflow_id, inbox_item item) {
    if (!running) {
        co_return engine_stopped();
    }
    deferred<result<void>> answer(ex);
    item.done = [answer](result<void> r) { answer.set(std::move(r)); };
    if (auto run = find(workflow_id)) {
        post(run, std::move(item));
    } else {
        look_up(workflow_id, [this, workflow_id, answer, item](auto found) mutable {
            if (auto opened = find(workflow_id)) {
                post(opened, std::move(item));
            } else if (!found) {
                answer.set(fail(found.error()));
            } else if (!*found) {
                answer.set(not_found());
            } else {
                answer.set({});
            }
        });
    }
    co_return co_await answer.get();
}

task<result<run_description>> embedded_engine::describe(std::string workflow_id) {
    auto& s = *state_;
    if (!s.running) {
        co_return engine_stopped();
    }
    if (auto run = s.find(workflow_id)) {
        co_return description_of(*run);
    }
    deferred<result<run_description>> answer(s.ex);
    s.look_up(workflow_id, [&s, workflow_id, answer](auto found) {
        if (auto opened = s.find(workflow_id)) {
            answer.set(description_of(*opened));
        } else if (!found) {
            answer.set(fail(found.error()));
        } else if (!*found) {
            answer.set(not_found());
        } else {
            answer.set(description_of(**found));
        }
    });
    co_return co_await answer.get();
}

task<result<std::string>> embedded_engine::history(std::string workflow_id) {
    auto& s = *state_;
    if (!s.running) {
        co_return engine_stopped();
    }
    auto text = std::make_shared<std::optional<std::string>>();
    deferred<result<std::string>> answer(s.ex);
    s.db.submit(
        [workflow_id, text](SQLite::Database& d) {
            if (auto run = sql::find_run(d, workflow_id)) {
                *text = history_to_json(sql::load_history(d, run->run_id));
            }
        },
        [text, answer](const result<void>& r) {
            if (!r) {
                answer.set(fail(r.error()));
            } else if (!*text) {
                answer.set(not_found());
            } else {
                answer.set(std::move(**text));
            }
        });
    co_return co_await answer.get();
}

void embedded_engine::clock_changed() {
    state_->process_due();
}

std::optional<timestamp> embedded_engine::next_deadline() const {
    if (state_->checks.empty()) {
        return std::nullopt;
    }
    return state_->checks.begin()->first;
}

bool embedded_engine::settled(const std::set<std::string>& served,
                              const std::set<std::string>& hanging) const {
    const auto& s = *state_;
    if (!s.db.idle()) {
        return false;
    }
    for (const auto& name : served) {
        const auto q = s.queues.find(name);
        if (q != s.queues.end() && !q->second.ready.empty()) {
            return false;
        }
    }
    return std::ranges::none_of(s.runs, [&hanging](const auto& entry) {
        const auto& run = *entry.second;
        return run.busy || !run.inbox.empty() ||
               std::ranges::any_of(run.activities, [&hanging](const auto& a) {
                   return a.second.settling ||
                          (a.second.started && !hanging.contains(a.second.type));
               });
    });
}

}  // namespace vora::durable
