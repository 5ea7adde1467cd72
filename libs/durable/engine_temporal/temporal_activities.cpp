// activity_source: polls, heartbeats and reports by plain calls.
//
// What an attempt's end means to Temporal: a result completes the activity; a failure goes by the
// retry policy; "cancelled" is only taken when cancellation was requested. A worker that stops
// reports "cancelled" too: then the attempt is handed back, as a failure "worker_stopped" that is
// tried again soon.

#include "libs/durable/engine_temporal/failure_proto.hpp"
#include "libs/durable/engine_temporal/options_proto.hpp"
#include "libs/durable/engine_temporal/payload_proto.hpp"
#include "libs/durable/engine_temporal/temporal_engine_state.hpp"

namespace vora::durable {

namespace enums = temporal::api::enums::v1;

namespace {

using steady = std::chrono::steady_clock;

// How long after the end of its time an attempt is still known, for its report to be told so.
constexpr auto known_after = std::chrono::minutes(1);
constexpr milliseconds time_limit_max = std::chrono::hours(24 * 365);

std::unexpected<error> attempt_over() {
    return fail(errc::not_found, "attempt_over");
}

// Temporal says workflow_not_found of an attempt that is not current.
template <class T>
result<void> outcome_of(const result<T>& r) {
    if (r) {
        return {};
    }
    return r.error().code == errc::not_found ? result<void>(attempt_over())
                                             : result<void>(fail(r.error()));
}

activity_info info_of(const service::PollActivityTaskQueueResponse& r) {
    activity_info i;
    i.workflow_id = r.workflow_execution().workflow_id();
    i.run_id = r.workflow_execution().run_id();
    i.activity_id = r.activity_id();
    i.type = r.activity_type().name();
    i.attempt = std::max(r.attempt(), 1);
    i.heartbeat_details = json_of(r.heartbeat_details()).value_or("");
    return i;
}

given_attempt attempt_of(const service::PollActivityTaskQueueResponse& r) {
    given_attempt a;
    a.task_token = r.task_token();
    a.workflow_id = r.workflow_execution().workflow_id();
    a.run_id = r.workflow_execution().run_id();
    a.activity_id = r.activity_id();
    a.maximum_attempts = r.retry_policy().maximum_attempts();
    a.initial_interval = from_proto(r.retry_policy().initial_interval());
    milliseconds limit = from_proto(r.start_to_close_timeout());
    a.over = steady::now() + (limit.count() > 0 ? std::min(limit, time_limit_max) : time_limit_max);
    return a;
}

}  // namespace

task<result<std::optional<activity_task>>> temporal_engine::poll(std::string task_queue) {
    auto& s = *state_;
    if (s.stopping) {
        co_return engine_stopped();
    }
    service::PollActivityTaskQueueRequest q;
    q.set_namespace_(s.options.address.namespace_name);
    q.mutable_task_queue()->set_name(std::move(task_queue));
    q.set_identity(s.options.identity);
    auto answer = co_await s.channel.call(
        "PollActivityTaskQueue", q.SerializeAsString(), s.options.poll_timeout,
        [&s](const std::string& message) { s.give_back(message); });
    s.count("PollActivityTaskQueue", answer.code);
    if (answer.code == call_answer::deadline_exceeded) {
        co_return std::nullopt;
    }
    if (answer.code != call_answer::ok) {
        co_return std::unexpected(error_of(answer));
    }
    co_return s.take(answer.message);  // without a wait: it could be cancelled, and lose the task
}

result<std::optional<activity_task>> temporal_engine::state::take(const std::string& message) {
    service::PollActivityTaskQueueResponse r;
    if (!r.ParseFromString(message)) {
        return fail(errc::unavailable, "temporal_failed", "not an answer of Temporal's");
    }
    if (r.task_token().empty()) {
        return std::nullopt;
    }
    auto input = json_of(r.input());
    if (!input) {
        log.warn("activity_input_refused", {{"type", r.activity_type().name()},
                                            {"workflow", r.workflow_execution().workflow_id()},
                                            {"detail", input.error().detail}});
        answers.spawn(
            unasked("activity_refusal_failed",
                    respond_failed(attempt_of(r),
                                   failure::application("bad_input", input.error().detail, true),
                                   std::nullopt)));
        return std::nullopt;
    }
    activity_task t;
    t.task_token = remember(r);
    t.info = info_of(r);
    t.input = std::move(*input);
    t.heartbeat_timeout = from_proto(r.heartbeat_timeout());
    t.start_to_close_timeout = from_proto(r.start_to_close_timeout());
    if (t.start_to_close_timeout.count() <= 0) {
        t.start_to_close_timeout = time_limit_max;
    }
    return t;
}

// An answer of the engine's own: when it does not arrive, the attempt times out.
task<> temporal_engine::state::unasked(const char* event, task<result<void>> answer) {
    auto done = co_await std::move(answer);
    if (!done) {
        log.warn(event, {{"reason", done.error().reason}});
    }
}

std::string temporal_engine::state::remember(const service::PollActivityTaskQueueResponse& r) {
    forget_old();
    auto token = std::to_string(++counter);
    given.emplace(token, attempt_of(r));
    return token;
}

// Attempts whose worker vanished without a report.
void temporal_engine::state::forget_old() {
    const auto now = steady::now();
    std::erase_if(given, [now](const auto& g) { return g.second.over + known_after < now; });
}

void temporal_engine::state::give_back(const std::string& message) {
    service::PollActivityTaskQueueResponse r;
    if (r.ParseFromString(message) && !r.task_token().empty()) {
        answers.spawn(unasked("activity_hand_back_failed", hand_back(attempt_of(r))));
    }
}

task<result<bool>> temporal_engine::heartbeat(std::string task_token, std::string details) {
    auto& s = *state_;
    if (s.stopping) {
        co_return engine_stopped();
    }
    const auto a = s.given.find(task_token);
    if (a == s.given.end()) {
        co_return attempt_over();
    }
    if (details.size() > payload_bytes_max) {
        co_return fail(errc::resource_exhausted, "payload_too_large");
    }
    service::RecordActivityTaskHeartbeatRequest q;
    q.set_task_token(a->second.task_token);
    to_payloads(std::move(details), *q.mutable_details());
    q.set_identity(s.options.identity);
    auto answer = co_await s.ask<service::RecordActivityTaskHeartbeatResponse>(
        "RecordActivityTaskHeartbeat", std::move(q));
    if (!answer) {
        co_return fail(outcome_of(answer).error());
    }
    co_return answer->cancel_requested() || answer->activity_paused() || answer->activity_reset();
}

task<result<void>> temporal_engine::complete(std::string task_token, outcome<std::string> r) {
    auto& s = *state_;
    if (s.stopping) {
        co_return engine_stopped();
    }
    const auto found = s.given.find(task_token);
    if (found == s.given.end()) {
        co_return attempt_over();
    }
    const given_attempt a = found->second;
    if (r && r->size() > payload_bytes_max) {
        r = std::unexpected(
            failure::application("payload_too_large", "the activity's result is too large", true));
    }
    result<void> done;
    if (r) {
        done = co_await s.respond_completed(a, std::move(*r));
    } else if (r.error().what == failure::kind::cancelled) {
        done = co_await s.respond_cancelled(a);
    } else {
        done = co_await s.respond_failed(a, std::move(r.error()), std::nullopt);
    }
    if (done || done.error().code == errc::not_found) {
        s.given.erase(task_token);
    }
    co_return done;
}

task<result<void>> temporal_engine::state::respond_completed(given_attempt a, std::string json) {
    service::RespondActivityTaskCompletedRequest q;
    q.set_task_token(a.task_token);
    to_payloads(std::move(json), *q.mutable_result());
    q.set_identity(options.identity);
    auto answer = co_await ask<service::RespondActivityTaskCompletedResponse>(
        "RespondActivityTaskCompleted", std::move(q));
    co_return outcome_of(answer);
}

task<result<void>> temporal_engine::state::respond_failed(given_attempt a, failure f,
                                                          std::optional<milliseconds> retry_after) {
    service::RespondActivityTaskFailedRequest q;
    q.set_task_token(a.task_token);
    auto& out = *q.mutable_failure();
    out = to_proto(f);
    // Temporal takes no other kind from a worker.
    auto& info = *out.mutable_application_failure_info();
    if (f.what != failure::kind::application) {
        info.set_type(f.type);
    }
    if (retry_after) {
        *info.mutable_next_retry_delay() = to_proto(*retry_after);
    }
    q.set_identity(options.identity);
    auto answer = co_await ask<service::RespondActivityTaskFailedResponse>(
        "RespondActivityTaskFailed", std::move(q));
    co_return outcome_of(answer);
}

task<result<void>> temporal_engine::state::respond_cancelled(given_attempt a) {
    service::RespondActivityTaskCanceledRequest q;
    q.set_task_token(a.task_token);
    q.set_identity(options.identity);
    auto answer = co_await ask<service::RespondActivityTaskCanceledResponse>(
        "RespondActivityTaskCanceled", std::move(q));
    if (answer || answer.error().code != errc::invalid_argument) {
        co_return outcome_of(answer);
    }
    // Nobody asked for it. Either its time is up: the server says so itself, and that counts.
    if (steady::now() >= a.over) {
        co_return attempt_over();
    }
    auto done = co_await hand_back(std::move(a));  // or the worker stops
    co_return done;
}

task<result<void>> temporal_engine::state::hand_back(given_attempt a) {
    if (a.maximum_attempts > 0) {
        // This attempt was none: the policy gets one more. When this fails, it counts.
        service::UpdateActivityOptionsRequest q;
        q.mutable_execution()->set_workflow_id(a.workflow_id);
        q.mutable_execution()->set_run_id(a.run_id);
        q.set_identity(options.identity);
        q.set_id(a.activity_id);
        q.mutable_activity_options()->mutable_retry_policy()->set_maximum_attempts(
            a.maximum_attempts + 1);
        q.mutable_update_mask()->add_paths("retry_policy.maximum_attempts");
        auto more = co_await ask<service::UpdateActivityOptionsResponse>("UpdateActivityOptions",
                                                                         std::move(q));
        if (!more) {
            log.warn("activity_attempt_counts", {{"workflow", a.workflow_id},
                                                 {"reason", more.error().reason},
                                                 {"detail", more.error().detail}});
        }
    }
    const milliseconds soon = a.initial_interval;
    auto done = co_await respond_failed(
        std::move(a), failure::application("worker_stopped", "the worker stopped"), soon);
    co_return done;
}

}  // namespace vora::durable
