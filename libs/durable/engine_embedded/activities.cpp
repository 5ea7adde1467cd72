// Activities: queues, attempts, heartbeats, retries, timeouts.

#include "libs/base/fault_point.hpp"
#include "libs/durable/engine_embedded/engine_state.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace vora::durable {

namespace {

constexpr std::size_t type_max = 200;
constexpr std::size_t message_max = 2'000;
constexpr std::size_t details_max = 4'000;

struct token_parts {
    std::string run_id;
    std::uint32_t seq = 0;
    int attempt = 0;
};

std::optional<token_parts> parse_token(const std::string& token) {
    const auto second = token.rfind(':');
    if (second == std::string::npos || second == 0) {
        return std::nullopt;
    }
    const auto first = token.rfind(':', second - 1);
    if (first == std::string::npos) {
        return std::nullopt;
    }
    token_parts parts;
    parts.run_id = token.substr(0, first);
    const char* text = token.data();
    const auto seq = std::from_chars(text + first + 1, text + second, parts.seq);
    const auto attempt = std::from_chars(text + second + 1, text + token.size(), parts.attempt);
    if (seq.ec != std::errc() || seq.ptr != text + second || attempt.ec != std::errc() ||
        attempt.ptr != text + token.size()) {
        return std::nullopt;
    }
    return parts;
}

std::unexpected<error> attempt_over() {
    return fail(errc::not_found, "attempt_over");
}

// Failures come from outside (a child's last words): the history takes a bounded part.
failure bounded(failure f, int depth = 0) {
    f.type.resize(std::min(f.type.size(), type_max));
    f.message.resize(std::min(f.message.size(), message_max));
    if (f.details.size() > details_max) {
        f.details.clear();
    }
    if (f.cause) {
        f.cause =
            depth < 4 ? std::make_shared<const failure>(bounded(*f.cause, depth + 1)) : nullptr;
    }
    return f;
}

// Leaves the queue however the poll ends; a task nobody took goes back.
struct poll_guard {
    std::list<std::shared_ptr<poll_waiter>>& waiters;
    std::shared_ptr<poll_waiter> waiter;
    std::function<void(const std::string& task_token)> give_back;
    ~poll_guard() {
        waiters.remove(waiter);
        waiter->gone = true;
        if (waiter->answer && *waiter->answer && **waiter->answer) {
            give_back((**waiter->answer)->task_token);
        }
    }
};

}  // namespace

activity_row next_attempt(const activity_row& a, failure why, timestamp available) {
    activity_row next = a;
    next.attempt += 1;
    next.started = false;
    next.available = available;
    next.last_failure = std::move(why);
    return next;
}

task<result<std::optional<activity_task>>> embedded_engine::poll(std::string task_queue) {
    auto& s = *state_;
    if (!s.running) {
        co_return engine_stopped();
    }
    auto& q = s.queues[task_queue];
    auto waiter = std::make_shared<poll_waiter>(s.ex);
    q.waiters.push_back(waiter);
    const poll_guard guard{q.waiters, waiter,
                           [&s](const std::string& token) { s.give_back(token); }};
    s.match(task_queue);
    while (!waiter->answer) {
        const bool woken = co_await waiter->wake.wait(s.options.poll_timeout);
        if (!woken && !waiter->claiming && !waiter->answer) {
            co_return std::nullopt;
        }
    }
    auto answer = std::move(*waiter->answer);
    waiter->answer.reset();
    co_return answer;
}

task<result<bool>> embedded_engine::heartbeat(std::string task_token, std::string details) {
    auto& s = *state_;
    if (!s.running) {
        co_return engine_stopped();
    }
    auto [run, a] = s.find_attempt(task_token);
    if (a == nullptr) {
        co_return attempt_over();
    }
    a->heard = s.now();
    s.reschedule(run);
    if (details.size() > payload_bytes_max) {
        co_return fail(errc::resource_exhausted, "payload_too_large");
    }
    if (!details.empty() && details != a->heartbeat_details) {
        a->heartbeat_details = std::move(details);
        s.write_heartbeat(run, *a);
    }
    co_return a->cancel_requested;
}

task<result<void>> embedded_engine::complete(std::string task_token, outcome<std::string> r) {
    auto& s = *state_;
    if (!s.running) {
        co_return engine_stopped();
    }
    auto [run, a] = s.find_attempt(task_token);
    if (a == nullptr) {
        co_return attempt_over();
    }
    if (r && r->size() > payload_bytes_max) {
        r = std::unexpected(
            failure::application("payload_too_large", "the activity's result is too large", true));
    }
    deferred<result<void>> answer(s.ex);
    auto done = [answer](result<void> committed) { answer.set(std::move(committed)); };
    if (r) {
        s.attempts_completed.add();
        a->settling = true;
        inbox_item item;
        item.what = inbox_item::kind::activity;
        item.event.type = event_type::activity_task_completed;
        item.event.seq = a->seq;
        item.event.payload = std::move(*r);
        item.done = std::move(done);
        s.post(run, std::move(item));
    } else {
        s.attempts_failed.add();
        s.attempt_failed(run, *a, bounded(std::move(r.error())), std::move(done));
    }
    co_return co_await answer.get();
}

void embedded_engine::state::enqueue(const run_ptr& run, live_activity& a) {
    a.queued = true;
    queues[a.options.task_queue].ready[{a.scheduled, ++counter}] = {run->row.run_id, a.seq};
    match(a.options.task_queue);
}

void embedded_engine::state::match(const std::string& task_queue) {
    auto& q = queues[task_queue];
    while (running && !q.ready.empty() && !q.waiters.empty()) {
        const auto entry = q.ready.begin()->second;
        q.ready.erase(q.ready.begin());
        const auto run = runs.find(entry.run_id);
        if (run == runs.end()) {
            continue;
        }
        const auto a = run->second->activities.find(entry.seq);
        if (a == run->second->activities.end() || !a->second.queued) {
            continue;
        }
        if (a->second.settling) {
            a->second.queued = false;  // if it does not end now, check() brings it back
            continue;
        }
        auto waiter = q.waiters.front();
        q.waiters.pop_front();
        claim(run->second, a->second, waiter);
    }
}

void embedded_engine::state::claim(const run_ptr& run, live_activity& a,
                                   const std::shared_ptr<poll_waiter>& waiter) {
    a.queued = false;
    a.settling = true;
    waiter->claiming = true;
    activity_row attempt = a;
    attempt.started = true;
    attempt.began = now();
    db.submit(
        [run_id = run->row.run_id, attempt](SQLite::Database& d) {
            sql::write_attempt(d, run_id, attempt);
        },
        [this, run, attempt, waiter](const result<void>& r) { claimed(run, attempt, waiter, r); });
}

void embedded_engine::state::claimed(const run_ptr& run, const activity_row& attempt,
                                     const std::shared_ptr<poll_waiter>& waiter,
                                     const result<void>& r) {
    fault_point("durable.attempt_started");
    waiter->claiming = false;
    const auto it = run->activities.find(attempt.seq);
    if (it == run->activities.end()) {  // cancelled or closed meanwhile
        if (!waiter->gone) {
            queues[attempt.options.task_queue].waiters.push_front(waiter);
            match(attempt.options.task_queue);
        }
        return;
    }
    auto& a = it->second;
    a.settling = false;
    if (!r || waiter->gone) {
        if (!waiter->gone) {
            waiter->set(fail(r.error()));
        }
        enqueue(run, a);
        reschedule(run);
        return;
    }
    a.started = true;
    a.began = a.heard = attempt.began;
    reschedule(run);
    activity_task t;
    t.task_token = token_of(*run, a);
    t.info = {run->row.workflow_id, run->row.run_id, std::to_string(a.seq), a.type, a.attempt,
              a.heartbeat_details};
    t.input = a.input;
    t.heartbeat_timeout = a.options.heartbeat_timeout;
    t.start_to_close_timeout = a.options.start_to_close_timeout;
    waiter->set(std::optional(std::move(t)));
}

void embedded_engine::state::give_back(const std::string& task_token) {
    auto [run, a] = find_attempt(task_token);
    if (a != nullptr && running) {
        a->started = false;
        enqueue(run, *a);
        reschedule(run);
    }
}

// The attempt that runs under this token; none if it has ended, or is about to.
std::pair<embedded_engine::state::run_ptr, live_activity*> embedded_engine::state::find_attempt(
    const std::string& task_token) const {
    const auto parts = parse_token(task_token);
    if (!parts) {
        return {};
    }
    const auto run = runs.find(parts->run_id);
    if (run == runs.end()) {
        return {};
    }
    const auto a = run->second->activities.find(parts->seq);
    if (a == run->second->activities.end() || !a->second.started || a->second.settling ||
        a->second.attempt != parts->attempt) {
        return {};
    }
    return {run->second, &a->second};
}

// One write at a time for an activity: of many heartbeats the newest is written.
void embedded_engine::state::write_heartbeat(const run_ptr& run, live_activity& a) {
    if (a.heartbeat_writing) {
        a.heartbeat_newer = true;
        return;
    }
    a.heartbeat_writing = true;
    db.submit([run_id = run->row.run_id, seq = a.seq, details = a.heartbeat_details](
                  SQLite::Database& d) { sql::write_heartbeat(d, run_id, seq, details); },
              [this, run, seq = a.seq](const result<void>&) {
                  const auto it = run->activities.find(seq);
                  if (it == run->activities.end()) {
                      return;
                  }
                  it->second.heartbeat_writing = false;
                  if (std::exchange(it->second.heartbeat_newer, false)) {
                      write_heartbeat(run, it->second);
                  }
              });
}

void embedded_engine::state::attempt_failed(const run_ptr& run, live_activity& a, failure f,
                                            done_callback done) {
    if (f.what == failure::kind::cancelled && !a.cancel_requested) {
        // The worker stopped: not the activity's fault, so it does not count.
        auto next = next_attempt(a, std::move(f), now() + a.options.retry.initial_interval);
        next.uncounted += 1;
        try_again(run, a, std::move(next), std::move(done));
        return;
    }
    if (auto at = retry_time(a, f)) {
        try_again(run, a, next_attempt(a, std::move(f), *at), std::move(done));
    } else {
        resolve_failed(run, a, std::move(f), std::move(done));
    }
}

std::optional<timestamp> embedded_engine::state::retry_time(const activity_row& a,
                                                            const failure& f) const {
    const auto& policy = a.options.retry;
    const int counted = a.attempt - a.uncounted;
    if (f.non_retryable || a.cancel_requested ||
        (policy.maximum_attempts > 0 && counted >= policy.maximum_attempts) ||
        std::ranges::find(policy.non_retryable_error_types, f.type) !=
            policy.non_retryable_error_types.end()) {
        return std::nullopt;
    }
    const double limit = static_cast<double>(
        policy.maximum_interval.count() > 0 ? policy.maximum_interval.count() : 60'000);
    const double wait =
        static_cast<double>(policy.initial_interval.count()) *
        std::pow(std::max(policy.backoff_coefficient, 1.0), std::max(counted, 1) - 1);
    const timestamp at = now() + milliseconds(static_cast<std::int64_t>(std::min(wait, limit)));
    if (a.options.schedule_to_close_timeout.count() > 0 &&
        at >= a.scheduled + a.options.schedule_to_close_timeout) {
        return std::nullopt;
    }
    return at;
}

void embedded_engine::state::try_again(const run_ptr& run, live_activity& a, activity_row next,
                                       done_callback done) {
    a.settling = true;
    db.submit([run_id = run->row.run_id,
               next](SQLite::Database& d) { sql::write_attempt(d, run_id, next); },
              [this, run, next, done = std::move(done)](const result<void>& r) {
                  const auto it = run->activities.find(next.seq);
                  if (it != run->activities.end()) {
                      attempt_written(run, it->second, next, r);
                  }
                  done(r);
              });
}

void embedded_engine::state::attempt_written(const run_ptr& run, live_activity& a,
                                             const activity_row& next, const result<void>& r) {
    a.settling = false;
    if (!r) {
        // The attempt is still current: its end is reported, or its timeout noticed, again.
        run->hold_until = now() + store_retry;
        reschedule(run);
        return;
    }
    a.attempt = next.attempt;
    a.lost = next.lost;
    a.uncounted = next.uncounted;
    a.started = false;
    a.available = next.available;
    a.last_failure = next.last_failure;
    if (a.cancel_requested) {
        resolve_failed(run, a, failure::cancelled(), [](const result<void>&) {});
    } else if (a.available <= now()) {
        enqueue(run, a);
    }
    reschedule(run);
}

// The activity is over, not just the attempt: the workflow hears of it.
void embedded_engine::state::resolve_failed(const run_ptr& run, live_activity& a, failure f,
                                            done_callback done) {
    a.settling = true;
    inbox_item item;
    item.what = inbox_item::kind::activity;
    item.event.type = f.what == failure::kind::cancelled ? event_type::activity_task_canceled
                      : f.what == failure::kind::timeout ? event_type::activity_task_timed_out
                                                         : event_type::activity_task_failed;
    item.event.seq = a.seq;
    item.event.cause = failure::activity(a.type, std::move(f));
    item.done = std::move(done);
    post(run, std::move(item));
}

void embedded_engine::state::check(const run_ptr& run) {
    if (now() < run->hold_until) {
        reschedule(run);
        return;
    }
    for (auto& [seq, timer] : run->timers) {
        if (timer.at <= now() && !timer.firing) {
            timer.firing = true;
            inbox_item item;
            item.what = inbox_item::kind::timer;
            item.event.type = event_type::timer_fired;
            item.event.seq = seq;
            run->inbox.push_back(std::move(item));
        }
    }
    for (auto& [seq, a] : run->activities) {
        if (!a.settling) {
            check_activity(run, a);
        }
    }
    reschedule(run);
    pump(run);
}

void embedded_engine::state::check_activity(const run_ptr& run, live_activity& a) {
    const auto& o = a.options;
    const auto none = [](const result<void>&) {};
    if (o.schedule_to_close_timeout.count() > 0 &&
        a.scheduled + o.schedule_to_close_timeout <= now()) {
        failure f = failure::timeout("schedule_to_close");
        if (a.last_failure) {
            f.cause = std::make_shared<const failure>(*a.last_failure);
        }
        resolve_failed(run, a, std::move(f), none);
    } else if (!a.started) {
        if (!a.queued && a.available <= now()) {
            enqueue(run, a);
        }
    } else if (a.began + o.start_to_close_timeout <= now()) {
        attempts_failed.add();
        attempt_failed(run, a, failure::timeout("start_to_close"), none);
    } else if (o.heartbeat_timeout.count() > 0 && a.heard + o.heartbeat_timeout <= now()) {
        attempts_failed.add();
        attempt_failed(run, a, failure::timeout("heartbeat"), none);
    }
}

std::optional<timestamp> embedded_engine::state::deadline(const open_run& run) const {
    std::optional<timestamp> first;
    auto earlier = [&first](timestamp t) { first = first ? std::min(*first, t) : t; };
    for (const auto& [seq, timer] : run.timers) {
        if (!timer.firing) {
            earlier(timer.at);
        }
    }
    for (const auto& [seq, a] : run.activities) {
        if (a.settling) {
            continue;
        }
        if (a.options.schedule_to_close_timeout.count() > 0) {
            earlier(a.scheduled + a.options.schedule_to_close_timeout);
        }
        if (a.started) {
            earlier(a.began + a.options.start_to_close_timeout);
            if (a.options.heartbeat_timeout.count() > 0) {
                earlier(a.heard + a.options.heartbeat_timeout);
            }
        } else if (!a.queued) {
            earlier(a.available);
        }
    }
    if (run.wants_task && !run.busy) {
        earlier(run.task_retry_at);
    }
    return first ? std::optional(std::max(*first, run.hold_until)) : std::nullopt;
}

void embedded_engine::state::reschedule(const run_ptr& run) {
    if (run->closed) {
        return;
    }
    if (run->next_check) {
        checks.erase({*run->next_check, run->row.run_id});
    }
    run->next_check = deadline(*run);
    if (!run->next_check) {
        return;
    }
    checks.emplace(*run->next_check, run->row.run_id);
    if (checks.begin()->second == run->row.run_id) {
        tick_wake.notify();
    }
}

}  // namespace vora::durable
