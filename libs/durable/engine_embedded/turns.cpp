// Workflow tasks: what arrived goes through the definition, and all that follows is one
// transaction.

#include "libs/base/fault_point.hpp"
#include "libs/durable/engine_embedded/engine_state.hpp"

#include <algorithm>

namespace vora::durable {

namespace {

constexpr milliseconds task_retry_max{60'000};

// A failing task is tried again: the next release of the definition may get further.
milliseconds task_backoff(int failures) {
    return std::min(milliseconds(1'000) * (1 << std::min(failures, 6)), task_retry_max);
}

std::optional<run_status> closing_status(event_type t) {
    switch (t) {
        case event_type::workflow_execution_completed:
            return run_status::completed;
        case event_type::workflow_execution_failed:
            return run_status::failed;
        case event_type::workflow_execution_canceled:
            return run_status::cancelled;
        case event_type::workflow_execution_terminated:
            return run_status::terminated;
        default:
            return std::nullopt;
    }
}

// Gives the event the next id of the run and the time of the turn.
void append(turn& t, history_event e, timestamp at) {
    e.id = t.run->last_event_id + static_cast<std::int64_t>(t.changes.events.size()) + 1;
    e.time = at;
    t.changes.events.push_back(std::move(e));
}

}  // namespace

workflow_run::log_sink embedded_engine::state::log_sink() const {
    return [this](const std::string& workflow_id, const std::string& event,
                  const std::string& detail) {
        log.info(event, {{"workflow", workflow_id}, {"detail", detail}});
    };
}

void embedded_engine::state::post(const run_ptr& run, inbox_item item) {
    run->inbox.push_back(std::move(item));
    pump(run);
}

void embedded_engine::state::pump(const run_ptr& run) {
    while (running && !run->busy && !run->closed) {
        const bool due = run->wants_task && now() >= run->task_retry_at;
        if (run->inbox.empty() && !due) {
            return;
        }
        auto t = std::make_shared<turn>();
        t->run = run;
        run->busy = true;
        take_inbox(*t);
        const bool activate = due || (!run->wants_task && !t->changes.events.empty());
        if (t->changes.closed) {
            commit(t);
        } else if (activate || (!run->wants_task && !t->queries.empty())) {
            load_then_step(t);
        } else {
            refuse_queries(*t, {errc::unavailable, "workflow_task_failing", {}});
            if (t->items.empty()) {
                run->busy = false;
                continue;
            }
            commit(t);
        }
        return;
    }
}

void embedded_engine::state::take_inbox(turn& t) {
    auto& run = *t.run;
    const timestamp at = now();
    for (auto& item : std::exchange(run.inbox, {})) {
        switch (item.what) {
            case inbox_item::kind::query:
                t.queries.push_back(std::move(item));
                continue;
            case inbox_item::kind::cancel:
                if (run.cancel_requested) {
                    item.done({});
                    continue;
                }
                break;
            case inbox_item::kind::timer:
                if (!run.timers.contains(item.event.seq)) {
                    continue;  // cancelled meanwhile
                }
                t.changes.timers_removed.push_back(item.event.seq);
                break;
            case inbox_item::kind::activity:
                if (!run.activities.contains(item.event.seq)) {
                    item.done(fail(errc::not_found, "attempt_over"));
                    continue;
                }
                t.changes.activities_removed.push_back(item.event.seq);
                break;
            case inbox_item::kind::terminate:
                t.changes.closed = {run_status::terminated, at, item.event.cause};
                break;
            case inbox_item::kind::signal:
                break;
        }
        append(t, std::move(item.event), at);
        t.items.push_back(std::move(item));
    }
}

void embedded_engine::state::load_then_step(const turn_ptr& t) {
    auto& run = *t->run;
    if (run.interpreter) {
        step(t);
        return;
    }
    auto history = std::make_shared<std::vector<history_event>>();
    const std::string run_id = run.row.run_id;
    db.submit([run_id, history](SQLite::Database& d) { *history = sql::load_history(d, run_id); },
              [this, t, history](const result<void>& r) {
                  auto& loading = *t->run;
                  if (!r) {
                      committed(t, r);
                      return;
                  }
                  auto replayed = replay(registry, log_sink(), loading.row.run_id, *history);
                  if (!replayed) {
                      task_failed(t, replayed.error().reason, replayed.error().detail);
                      return;
                  }
                  loading.interpreter = std::move(replayed->run);
                  loading.undelivered = std::move(replayed->undelivered);
                  loading.last_task_time = replayed->last_task_time;
                  step(t);
              });
}

void embedded_engine::state::step(const turn_ptr& t) {
    auto& run = *t->run;
    std::vector<history_event> arrived = run.undelivered;
    arrived.insert(arrived.end(), t->changes.events.begin(), t->changes.events.end());
    run.wants_task = !run.undelivered.empty();
    if (arrived.empty()) {
        answer_queries(*t);
        keep_cached(t->run);
        run.busy = false;
        reschedule(t->run);
        pump(t->run);
        return;
    }
    const timestamp at = std::max(now(), run.last_task_time);
    auto done = run.interpreter->activate(
        make_activation(run.row.run_id, at, false, arrived, {},
                        run.last_event_id + static_cast<std::int64_t>(t->changes.events.size())));
    if (done.activation_failure) {
        task_failed(t, done.activation_failure->type, done.activation_failure->message);
        return;
    }
    t->task_time = at;
    history_event ended;
    ended.type = event_type::workflow_task_completed;
    append(*t, std::move(ended), at);
    add_commands(*t, done, at);
    commit(t);
}

void embedded_engine::state::add_commands(turn& t, const completion& done, timestamp at) {
    for (const auto& c : done.commands) {
        auto e = event_of(c);
        if (!e) {
            continue;
        }
        const auto seq = e->seq;
        switch (e->type) {
            case event_type::timer_started:
                t.changes.timers_put.emplace_back(seq, now() + e->duration);
                break;
            case event_type::timer_canceled:
                if (std::erase_if(t.changes.timers_put,
                                  [seq](const auto& timer) { return timer.first == seq; }) == 0) {
                    t.changes.timers_removed.push_back(seq);
                }
                break;
            case event_type::activity_task_scheduled: {
                activity_row row;
                row.seq = seq;
                row.type = e->name;
                row.input = e->payload;
                row.options = *e->options;
                row.scheduled = now();
                row.available = now();
                t.changes.activities_scheduled.push_back(std::move(row));
                break;
            }
            default:
                break;
        }
        if (auto status = closing_status(e->type)) {
            t.changes.closed = {*status, at, e->cause};
        }
        append(t, std::move(*e), at);
    }
    // After the block of commands: what an engine decides about them is something that arrives.
    for (const auto& c : done.commands) {
        if (const auto* cancel = std::get_if<command::request_cancel_activity>(&c)) {
            cancel_activity(t, cancel->seq);
        }
    }
}

// An attempt that runs and is waited for is asked to end; anything else ends here. (abandon is like
// try_cancel: the attempt learns at its next heartbeat that nobody wants it.)
void embedded_engine::state::cancel_activity(turn& t, std::uint32_t seq) {
    std::string type;
    const auto fresh = std::ranges::find(t.changes.activities_scheduled, seq, &activity_row::seq);
    if (fresh != t.changes.activities_scheduled.end()) {
        type = fresh->type;
        t.changes.activities_scheduled.erase(fresh);
    } else {
        const auto known = t.run->activities.find(seq);
        if (known == t.run->activities.end() ||
            std::ranges::find(t.changes.activities_removed, seq) !=
                t.changes.activities_removed.end()) {
            return;  // it has ended in this very turn
        }
        const auto& a = known->second;
        if (a.options.cancellation == cancellation_type::wait_cancellation_completed &&
            (a.started || a.settling)) {
            t.changes.activities_cancel_requested.push_back(seq);
            return;
        }
        type = a.type;
        t.changes.activities_removed.push_back(seq);
    }
    history_event e;
    e.type = event_type::activity_task_canceled;
    e.seq = seq;
    e.cause = failure::activity(type, failure::cancelled());
    append(t, std::move(e), now());
    t.undelivered_after.push_back(t.changes.events.back());
}

void embedded_engine::state::task_failed(const turn_ptr& t, const std::string& reason,
                                         const std::string& detail) {
    auto& run = *t->run;
    task_failures.add();
    const auto wait = task_backoff(run.task_failures++);
    log.error("workflow_task_failed", {{"workflow", run.row.workflow_id},
                                       {"type", run.row.workflow_type},
                                       {"reason", reason},
                                       {"detail", detail},
                                       {"retry_ms", wait.count()}});
    run.interpreter.reset();
    run.undelivered.clear();
    run.wants_task = true;
    run.task_retry_at = now() + wait;
    refuse_queries(*t, {errc::unavailable, "workflow_task_failing", reason});
    commit(t);  // what arrived is kept all the same
}

void embedded_engine::state::commit(const turn_ptr& t) {
    if (t->changes.events.empty()) {
        committed(t, {});
        return;
    }
    fault_point("durable.before_commit");
    db.submit([t](SQLite::Database& d) { sql::write(d, t->run->row.run_id, t->changes); },
              [this, t](const result<void>& r) {
                  fault_point("durable.after_commit");
                  committed(t, r);
              });
}

void embedded_engine::state::committed(const turn_ptr& t, const result<void>& r) {
    const run_ptr run = t->run;
    if (!r) {
        log.error("workflow_store_failed",
                  {{"workflow", run->row.workflow_id}, {"detail", r.error().detail}});
        run->interpreter.reset();  // it is ahead of the file
        run->undelivered.clear();
        run->wants_task = true;
        run->hold_until = now() + store_retry;
        run->task_retry_at = std::max(run->task_retry_at, run->hold_until);
        for (const auto& item : t->items) {
            if (item.what == inbox_item::kind::timer) {
                run->timers.at(item.event.seq).firing = false;
            } else if (item.what == inbox_item::kind::activity) {
                run->activities.at(item.event.seq).settling = false;
            }
            item.done(fail(r.error()));
        }
        refuse_queries(*t, r.error());
    } else {
        apply(*t);
        for (const auto& item : t->items) {
            item.done({});
        }
        if (t->changes.closed) {
            close(t);
            return;
        }
        if (run->interpreter) {
            answer_queries(*t);
            keep_cached(run);
        }
    }
    run->busy = false;
    reschedule(run);
    pump(run);
}

// The transaction is in the file: memory follows.
void embedded_engine::state::apply(turn& t) {
    const run_ptr run = t.run;
    run->last_event_id += static_cast<std::int64_t>(t.changes.events.size());
    for (const auto& item : t.items) {
        run->cancel_requested |= item.what == inbox_item::kind::cancel;
    }
    if (t.task_time) {
        run->last_task_time = *t.task_time;
        run->task_failures = 0;
        run->task_retry_at = {};
        run->undelivered = std::move(t.undelivered_after);
        run->wants_task = !run->undelivered.empty();
    }
    for (const auto seq : t.changes.timers_removed) {
        run->timers.erase(seq);
    }
    for (const auto& [seq, at] : t.changes.timers_put) {
        run->timers[seq] = {at};
    }
    for (const auto seq : t.changes.activities_removed) {
        run->activities.erase(seq);
    }
    for (const auto seq : t.changes.activities_cancel_requested) {
        run->activities.at(seq).cancel_requested = true;
    }
    for (auto& row : t.changes.activities_scheduled) {
        const auto seq = row.seq;
        auto& a = run->activities.emplace(seq, live_activity(std::move(row))).first->second;
        if (!t.changes.closed) {
            enqueue(run, a);
        }
    }
}

void embedded_engine::state::close(const turn_ptr& t) {
    const run_ptr run = t->run;
    const auto& closed = *t->changes.closed;
    run->closed = true;
    run->busy = false;
    run->row.status = closed.status;
    run->row.closed = closed.at;
    run->row.cause = closed.cause;
    run->activities.clear();
    run->timers.clear();
    if (run->next_check) {
        checks.erase({*run->next_check, run->row.run_id});
        run->next_check.reset();
    }
    cached.erase(run->used);
    run_ids.erase(run->row.workflow_id);
    runs.erase(run->row.run_id);
    runs_open.set(static_cast<double>(runs.size()));
    runs_closed.at(closed.status)->add();
    log.info("workflow_closed", {{"workflow", run->row.workflow_id},
                                 {"type", run->row.workflow_type},
                                 {"status", name_of(closed.status)},
                                 {"failure", closed.cause ? closed.cause->root().type : ""}});
    run->interpreter.reset();
    for (auto& item : std::exchange(run->inbox, {})) {
        answer_closed(run->row, std::move(item));
    }
    for (auto& q : std::exchange(t->queries, {})) {
        answer_closed(run->row, std::move(q));
    }
}

// What came for a run that has closed.
void embedded_engine::state::answer_closed(const run_row& run, inbox_item item) {
    switch (item.what) {
        case inbox_item::kind::query:
            query_closed(run, std::move(item.event), std::move(item.answered));
            break;
        case inbox_item::kind::signal:
            item.done(fail(errc::failed_precondition, "workflow_closed"));
            break;
        case inbox_item::kind::activity:
            item.done(fail(errc::not_found, "attempt_over"));
            break;
        case inbox_item::kind::cancel:
        case inbox_item::kind::terminate:
        case inbox_item::kind::timer:
            item.done({});
            break;
    }
}

void embedded_engine::state::answer_queries(turn& t) {
    for (auto& q : std::exchange(t.queries, {})) {
        activation a{t.run->row.run_id, t.run->last_task_time, true, t.run->last_event_id, {}};
        a.jobs.push_back(job::query_workflow{"q", q.event.name, q.event.payload});
        const auto done = t.run->interpreter->activate(a);
        if (done.activation_failure || done.commands.empty()) {
            q.answered(fail(errc::internal, "query_failed"));
            continue;
        }
        const auto& response = std::get<command::respond_to_query>(done.commands.front());
        if (response.answer) {
            q.answered(*response.answer);
        } else {
            q.answered(fail(errc::failed_precondition, response.answer.error().type,
                            response.answer.error().message));
        }
    }
}

void embedded_engine::state::refuse_queries(turn& t, const error& why) {
    for (auto& q : std::exchange(t.queries, {})) {
        q.answered(fail(why));
    }
}

void embedded_engine::state::keep_cached(const run_ptr& run) {
    cached.erase(run->used);
    run->used = ++counter;
    cached[run->used] = run->row.run_id;
    while (cached.size() > options.cached_runs_max) {
        auto oldest = cached.begin();
        const auto& victim = runs.at(oldest->second);
        if (victim->busy || victim == run) {
            return;  // it comes back here when its turn ends
        }
        // What is undelivered is in the file too.
        victim->interpreter.reset();
        victim->undelivered.clear();
        cached.erase(oldest);
    }
}

}  // namespace vora::durable
