// What durable::client promises, in Temporal's calls.

#include "libs/durable/engine_temporal/temporal_engine.hpp"

#include "libs/base/assert.hpp"
#include "libs/base/crypto.hpp"
#include "libs/durable/engine_temporal/failure_proto.hpp"
#include "libs/durable/engine_temporal/options_proto.hpp"
#include "libs/durable/engine_temporal/payload_proto.hpp"
#include "libs/durable/engine_temporal/temporal_engine_state.hpp"

#include <unistd.h>

#include <array>

namespace vora::durable {

namespace enums = temporal::api::enums::v1;

namespace {

std::string default_identity() {
    std::array<char, 256> host{};
    ::gethostname(host.data(), host.size() - 1);
    return std::to_string(::getpid()) + "@" + host.data();
}

run_status status_of(enums::WorkflowExecutionStatus s) {
    switch (s) {
        case enums::WORKFLOW_EXECUTION_STATUS_COMPLETED:
            return run_status::completed;
        case enums::WORKFLOW_EXECUTION_STATUS_FAILED:
            return run_status::failed;
        case enums::WORKFLOW_EXECUTION_STATUS_CANCELED:
            return run_status::cancelled;
        case enums::WORKFLOW_EXECUTION_STATUS_TERMINATED:
            return run_status::terminated;
        case enums::WORKFLOW_EXECUTION_STATUS_TIMED_OUT:
            return run_status::timed_out;
        default:
            return run_status::running;
    }
}

pending_activity pending_of(const temporal::api::workflow::v1::PendingActivityInfo& p) {
    pending_activity out;
    out.type = p.activity_type().name();
    out.attempt = std::max(p.attempt(), 1);
    out.heartbeat_details = json_of(p.heartbeat_details()).value_or("");
    if (p.has_last_failure()) {
        out.last_failure_type = from_proto(p.last_failure()).root().type;
    }
    return out;
}

run_description description_of(const service::DescribeWorkflowExecutionResponse& r) {
    const auto& info = r.workflow_execution_info();
    run_description d;
    d.workflow_id = info.execution().workflow_id();
    d.run_id = info.execution().run_id();
    d.workflow_type = info.type().name();
    d.status = status_of(info.status());
    d.started = from_proto(info.start_time());
    if (info.has_close_time()) {
        d.closed = from_proto(info.close_time());
    }
    for (const auto& p : r.pending_activities()) {
        d.pending_activities.push_back(pending_of(p));
    }
    return d;
}

// Why a run ended, from its last event.
std::optional<failure> failure_of(const temporal::api::history::v1::HistoryEvent& event) {
    if (event.has_workflow_execution_failed_event_attributes()) {
        return from_proto(event.workflow_execution_failed_event_attributes().failure());
    }
    if (event.has_workflow_execution_timed_out_event_attributes()) {
        failure f;
        f.what = failure::kind::timeout;
        f.type = "workflow_timeout";
        f.message = "the workflow took too long";
        return f;
    }
    if (event.has_workflow_execution_terminated_event_attributes()) {
        failure f;
        f.what = failure::kind::terminated;
        f.type = "terminated";
        f.message = event.workflow_execution_terminated_event_attributes().reason();
        return f;
    }
    return std::nullopt;
}

service::DescribeWorkflowExecutionRequest describe_request(const std::string& workflow_id) {
    service::DescribeWorkflowExecutionRequest q;
    q.mutable_execution()->set_workflow_id(workflow_id);
    return q;
}

}  // namespace

temporal_engine::state::state(executor e, temporal_engine_options o, obs::logger l, obs::metrics& m)
    : ex(e),
      options(std::move(o)),
      log(std::move(l)),
      metrics(m),
      channel(e, options.address.host_port),
      answers(e) {
    if (options.identity.empty()) {
        options.identity = default_identity();
    }
}

void temporal_engine::state::count(const char* method, int code) {
    // A poll without a task is no failure.
    const bool fine = code == call_answer::ok || code == call_answer::deadline_exceeded;
    metrics
        .counter("vora_durable_temporal_calls_total", "calls to Temporal by how they ended",
                 {{"method", method}, {"outcome", fine ? "ok" : "failed"}})
        .add();
}

temporal_engine::temporal_engine(executor ex, temporal_engine_options options, obs::logger log,
                                 obs::metrics& metrics)
    : state_(std::make_unique<state>(ex, std::move(options), std::move(log), metrics)) {}

temporal_engine::~temporal_engine() = default;

task<result<void>> temporal_engine::check() {
    auto& s = *state_;
    if (s.stopping) {
        co_return engine_stopped();
    }
    service::DescribeNamespaceRequest q;
    auto r = co_await s.ask<service::DescribeNamespaceResponse>("DescribeNamespace", std::move(q));
    if (!r) {
        co_return fail(r.error());
    }
    co_return result<void>();
}

task<> temporal_engine::stop() {
    auto& s = *state_;
    s.stopping = true;
    // A poll that got a task when nobody waited for it any more hands it back.
    co_await s.answers.join();
    s.channel.cancel_all();
    co_await s.channel.drained();
    co_await s.answers.join();
}

task<result<std::string>> temporal_engine::start(start_request r) {
    auto& s = *state_;
    if (s.stopping) {
        co_return engine_stopped();
    }
    if (r.input.size() > payload_bytes_max) {
        co_return payload_too_large();
    }
    service::StartWorkflowExecutionRequest q;
    q.set_workflow_id(std::move(r.workflow_id));
    q.mutable_workflow_type()->set_name(std::move(r.workflow_type));
    q.mutable_task_queue()->set_name(std::move(r.task_queue));
    to_payloads(std::move(r.input), *q.mutable_input());
    q.set_identity(s.options.identity);
    q.set_request_id(random_uuid());
    q.set_workflow_id_reuse_policy(enums::WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE);
    q.set_workflow_id_conflict_policy(enums::WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING);
    auto answer = co_await s.ask<service::StartWorkflowExecutionResponse>("StartWorkflowExecution",
                                                                          std::move(q));
    if (!answer) {
        co_return fail(answer.error());
    }
    if (!answer->started()) {
        co_return fail(errc::already_exists, "workflow_already_started");
    }
    co_return answer->run_id();
}

// Temporal's calls on a closed run are NOT_FOUND, as on one that never was.
task<result<void>> temporal_engine::state::is_closed(std::string workflow_id) {
    auto there = co_await ask<service::DescribeWorkflowExecutionResponse>(
        "DescribeWorkflowExecution", describe_request(workflow_id));
    if (!there) {
        co_return fail(there.error());
    }
    co_return result<void>();
}

task<result<void>> temporal_engine::signal(std::string workflow_id, std::string name,
                                           std::string input) {
    auto& s = *state_;
    if (s.stopping) {
        co_return engine_stopped();
    }
    if (input.size() > payload_bytes_max) {
        co_return payload_too_large();
    }
    service::SignalWorkflowExecutionRequest q;
    q.mutable_workflow_execution()->set_workflow_id(workflow_id);
    q.set_signal_name(std::move(name));
    to_payloads(std::move(input), *q.mutable_input());
    q.set_identity(s.options.identity);
    q.set_request_id(random_uuid());
    auto answer = co_await s.ask<service::SignalWorkflowExecutionResponse>(
        "SignalWorkflowExecution", std::move(q));
    if (answer) {
        co_return result<void>();
    }
    if (answer.error().code != errc::not_found) {
        co_return fail(answer.error());
    }
    auto closed = co_await s.is_closed(std::move(workflow_id));
    if (!closed) {
        co_return fail(closed.error());
    }
    co_return fail(errc::failed_precondition, "workflow_closed");
}

task<result<std::string>> temporal_engine::query(std::string workflow_id, std::string name,
                                                 std::string input) {
    auto& s = *state_;
    if (s.stopping) {
        co_return engine_stopped();
    }
    if (input.size() > payload_bytes_max) {
        co_return payload_too_large();
    }
    service::QueryWorkflowRequest q;
    q.mutable_execution()->set_workflow_id(std::move(workflow_id));
    q.mutable_query()->set_query_type(std::move(name));
    to_payloads(std::move(input), *q.mutable_query()->mutable_query_args());
    q.set_query_reject_condition(enums::QUERY_REJECT_CONDITION_NONE);
    auto answer = co_await s.ask<service::QueryWorkflowResponse>("QueryWorkflow", std::move(q));
    if (!answer) {
        co_return fail(answer.error());
    }
    co_return json_of(answer->query_result());
}

task<result<void>> temporal_engine::cancel(std::string workflow_id) {
    auto& s = *state_;
    if (s.stopping) {
        co_return engine_stopped();
    }
    service::RequestCancelWorkflowExecutionRequest q;
    q.mutable_workflow_execution()->set_workflow_id(workflow_id);
    q.set_identity(s.options.identity);
    q.set_request_id(random_uuid());
    auto answer = co_await s.ask<service::RequestCancelWorkflowExecutionResponse>(
        "RequestCancelWorkflowExecution", std::move(q));
    // already_exists: it was asked before.
    if (answer || answer.error().code == errc::already_exists) {
        co_return result<void>();
    }
    if (answer.error().code != errc::not_found) {
        co_return fail(answer.error());
    }
    auto closed = co_await s.is_closed(std::move(workflow_id));
    co_return closed;
}

task<result<void>> temporal_engine::terminate(std::string workflow_id, std::string reason) {
    auto& s = *state_;
    if (s.stopping) {
        co_return engine_stopped();
    }
    service::TerminateWorkflowExecutionRequest q;
    q.mutable_workflow_execution()->set_workflow_id(workflow_id);
    q.set_reason(reason.substr(0, 1'000));
    q.set_identity(s.options.identity);
    auto answer = co_await s.ask<service::TerminateWorkflowExecutionResponse>(
        "TerminateWorkflowExecution", std::move(q));
    if (answer) {
        co_return result<void>();
    }
    if (answer.error().code != errc::not_found) {
        co_return fail(answer.error());
    }
    auto closed = co_await s.is_closed(std::move(workflow_id));
    co_return closed;
}

task<std::optional<failure>> temporal_engine::state::end_of(std::string workflow_id,
                                                            std::string run_id) {
    service::GetWorkflowExecutionHistoryRequest q;
    q.mutable_execution()->set_workflow_id(std::move(workflow_id));
    q.mutable_execution()->set_run_id(std::move(run_id));
    q.set_maximum_page_size(1);
    q.set_history_event_filter_type(enums::HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT);
    auto answer = co_await ask<service::GetWorkflowExecutionHistoryResponse>(
        "GetWorkflowExecutionHistory", std::move(q));
    if (!answer || answer->history().events().empty()) {
        co_return std::nullopt;
    }
    co_return failure_of(*answer->history().events().rbegin());
}

task<result<run_description>> temporal_engine::describe(std::string workflow_id) {
    auto& s = *state_;
    if (s.stopping) {
        co_return engine_stopped();
    }
    auto answer = co_await s.ask<service::DescribeWorkflowExecutionResponse>(
        "DescribeWorkflowExecution", describe_request(workflow_id));
    if (!answer) {
        co_return fail(answer.error());
    }
    auto d = description_of(*answer);
    if (d.status == run_status::cancelled) {
        d.last_failure = failure::cancelled();
    } else if (d.status != run_status::running && d.status != run_status::completed) {
        auto why = co_await s.end_of(d.workflow_id, d.run_id);
        d.last_failure = std::move(why);
    }
    co_return d;
}

}  // namespace vora::durable
