#include "libs/durable/engine_embedded/engine.hpp"

#include "libs/durable/engine_embedded/engine_state.hpp"

#include <algorithm>

namespace vora::durable {

namespace {

// The wall clock may jump: it is looked at this often at least.
constexpr milliseconds tick_max{1'000};
constexpr auto retention_interval = std::chrono::hours(1);
constexpr int dropped_at_once_max = 200;

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
      registered(metrics),
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
        show_queues();
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

void embedded_engine::state::show_queues() {
    for (const auto& [name, queue] : queues) {
        registered
            .gauge("vora_durable_activities_waiting", "Activities that no worker has taken yet",
                   {{"task_queue", name}})
            .set(static_cast<double>(queue.ready.size()));
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
                              const std::set<std::string>& held) const {
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
    return std::ranges::none_of(s.runs, [&held](const auto& entry) {
        const auto& run = *entry.second;
        return run.busy || !run.inbox.empty() ||
               std::ranges::any_of(run.activities, [&held, &run](const auto& a) {
                   return a.second.settling ||
                          (a.second.started && !held.contains(token_of(run, a.second)));
               });
    });
}

}  // namespace vora::durable
