#include "libs/durable/engine_temporal/workflow_worker/activation_proto.hpp"

#include "libs/durable/engine_temporal/failure_proto.hpp"
#include "libs/durable/engine_temporal/options_proto.hpp"
#include "libs/durable/engine_temporal/payload_proto.hpp"

#include <temporal/sdk/core/workflow_activation/workflow_activation.pb.h>
#include <temporal/sdk/core/workflow_completion/workflow_completion.pb.h>

#include <utility>

namespace vora::durable {

namespace {

namespace in = coresdk::workflow_activation;
namespace out = coresdk::workflow_commands;
namespace api = temporal::api;

// A job that cannot be applied.
struct unreadable {
    std::string what;
};

// What another tool sent in an encoding of its own becomes empty text: the definition refuses that
// as it refuses any wrong input. Failing the activation would hold up the run for ever.
template <class List>
std::string text_of(const List& payloads) {
    if (payloads.size() != 1) {
        return {};
    }
    return json_of(payloads.Get(0)).value_or(std::string());
}

outcome<std::string> result_of(const coresdk::activity_result::ActivityResolution& r) {
    switch (r.status_case()) {
        case coresdk::activity_result::ActivityResolution::kCompleted: {
            if (!r.completed().has_result()) {
                return std::string();
            }
            auto text = json_of(r.completed().result());
            if (!text) {
                return std::unexpected(
                    failure::application("bad_result", text.error().detail, true));
            }
            return std::move(*text);
        }
        case coresdk::activity_result::ActivityResolution::kFailed:
            return std::unexpected(from_proto(r.failed().failure()));
        case coresdk::activity_result::ActivityResolution::kCancelled:
            return std::unexpected(from_proto(r.cancelled().failure()));
        case coresdk::activity_result::ActivityResolution::kBackoff:
            throw unreadable{"a local activity is resolved, and none was scheduled"};
        case coresdk::activity_result::ActivityResolution::STATUS_NOT_SET:
            break;
    }
    throw unreadable{"an activity is resolved without a result"};
}

job::initialize_workflow job_of(const in::InitializeWorkflow& j) {
    return {j.workflow_id(), j.workflow_type(), text_of(j.arguments()), j.randomness_seed()};
}

bool is_error(in::RemoveFromCache::EvictionReason reason) {
    return reason == in::RemoveFromCache::NONDETERMINISM || reason == in::RemoveFromCache::FATAL ||
           reason == in::RemoveFromCache::LANG_FAIL ||
           reason == in::RemoveFromCache::PAGINATION_OR_HISTORY_FETCH;
}

// One job; those without a counterpart of ours throw, with their name.
void add_job(read_activation& read, const in::WorkflowActivationJob& j) {
    auto& jobs = read.value.jobs;
    switch (j.variant_case()) {
        case in::WorkflowActivationJob::kInitializeWorkflow:
            jobs.emplace_back(job_of(j.initialize_workflow()));
            return;
        case in::WorkflowActivationJob::kFireTimer:
            jobs.emplace_back(job::fire_timer{j.fire_timer().seq()});
            return;
        case in::WorkflowActivationJob::kUpdateRandomSeed:
            jobs.emplace_back(job::update_random_seed{j.update_random_seed().randomness_seed()});
            return;
        case in::WorkflowActivationJob::kQueryWorkflow:
            jobs.emplace_back(job::query_workflow{j.query_workflow().query_id(),
                                                  j.query_workflow().query_type(),
                                                  text_of(j.query_workflow().arguments())});
            return;
        case in::WorkflowActivationJob::kCancelWorkflow:
            jobs.emplace_back(job::cancel_workflow{});
            return;
        case in::WorkflowActivationJob::kSignalWorkflow:
            jobs.emplace_back(job::signal_workflow{j.signal_workflow().signal_name(),
                                                   text_of(j.signal_workflow().input())});
            return;
        case in::WorkflowActivationJob::kResolveActivity:
            jobs.emplace_back(job::resolve_activity{j.resolve_activity().seq(),
                                                    result_of(j.resolve_activity().result())});
            return;
        case in::WorkflowActivationJob::kNotifyHasPatch:
            jobs.emplace_back(job::notify_has_patch{j.notify_has_patch().patch_id()});
            return;
        case in::WorkflowActivationJob::kRemoveFromCache:
            jobs.emplace_back(job::remove_from_cache{j.remove_from_cache().message()});
            read.evicts = true;
            read.evicts_in_error = is_error(j.remove_from_cache().reason());
            return;
        case in::WorkflowActivationJob::kDoUpdate:
            read.updates.push_back(j.do_update().protocol_instance_id());
            return;
        default:
            break;
    }
    const auto* field = j.GetDescriptor()->FindFieldByNumber(static_cast<int>(j.variant_case()));
    throw unreadable{"a job that no definition of ours can have caused: " +
                     (field == nullptr ? std::string("unknown") : std::string(field->name()))};
}

void put(out::WorkflowCommand& to, const command::start_timer& c) {
    to.mutable_start_timer()->set_seq(c.seq);
    *to.mutable_start_timer()->mutable_start_to_fire_timeout() = to_proto(c.start_to_fire_timeout);
}

void put(out::WorkflowCommand& to, const command::cancel_timer& c) {
    to.mutable_cancel_timer()->set_seq(c.seq);
}

void put_options(out::ScheduleActivity& to, const activity_options& o) {
    const auto limit = [](milliseconds t, const auto& field) {
        if (t > milliseconds(0)) {
            *field() = to_proto(t);
        }
    };
    limit(o.schedule_to_close_timeout, [&] { return to.mutable_schedule_to_close_timeout(); });
    limit(o.start_to_close_timeout, [&] { return to.mutable_start_to_close_timeout(); });
    limit(o.heartbeat_timeout, [&] { return to.mutable_heartbeat_timeout(); });
    *to.mutable_retry_policy() = to_proto(o.retry);
    switch (o.cancellation) {
        case cancellation_type::try_cancel:
            to.set_cancellation_type(out::TRY_CANCEL);
            break;
        case cancellation_type::wait_cancellation_completed:
            to.set_cancellation_type(out::WAIT_CANCELLATION_COMPLETED);
            break;
        case cancellation_type::abandon:
            to.set_cancellation_type(out::ABANDON);
            break;
    }
}

void put(out::WorkflowCommand& to, const command::schedule_activity& c) {
    auto& schedule = *to.mutable_schedule_activity();
    schedule.set_seq(c.seq);
    schedule.set_activity_id(std::to_string(c.seq));
    schedule.set_activity_type(c.activity_type);
    schedule.set_task_queue(c.options.task_queue);
    if (!c.input.empty()) {
        *schedule.add_arguments() = payload_of(c.input);
    }
    put_options(schedule, c.options);
    // Activities run in other processes: none could be handed over with the answer.
    schedule.set_do_not_eagerly_execute(true);
}

void put(out::WorkflowCommand& to, const command::request_cancel_activity& c) {
    to.mutable_request_cancel_activity()->set_seq(c.seq);
}

void put(out::WorkflowCommand& to, const command::complete_workflow_execution& c) {
    *to.mutable_complete_workflow_execution()->mutable_result() = payload_of(c.result);
}

void put(out::WorkflowCommand& to, const command::fail_workflow_execution& c) {
    *to.mutable_fail_workflow_execution()->mutable_failure() = to_proto(c.failure);
}

void put(out::WorkflowCommand& to, const command::cancel_workflow_execution&) {
    to.mutable_cancel_workflow_execution();
}

void put(out::WorkflowCommand& to, const command::set_patch_marker& c) {
    to.mutable_set_patch_marker()->set_patch_id(c.patch_id);
}

void put(out::WorkflowCommand& to, const command::respond_to_query& c) {
    auto& answer = *to.mutable_respond_to_query();
    answer.set_query_id(c.query_id);
    if (c.answer) {
        *answer.mutable_succeeded()->mutable_response() = payload_of(*c.answer);
    } else {
        // Core passes on the text alone: it has the type too (temporal_errors reads it).
        auto f = c.answer.error();
        f.message = f.type + ": " + f.message;
        *answer.mutable_failed() = to_proto(f);
    }
}

}  // namespace

read_activation activation_from_proto(std::string_view bytes) {
    read_activation read;
    in::WorkflowActivation a;
    if (!a.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
        read.refused = "the activation is not a WorkflowActivation";
        return read;
    }
    read.value.run_id = a.run_id();
    read.value.timestamp = from_proto(a.timestamp());
    read.value.is_replaying = a.is_replaying();
    read.value.history_length = a.history_length();
    try {
        for (const auto& j : a.jobs()) {
            add_job(read, j);
        }
    } catch (const unreadable& why) {
        read.refused = why.what;
    }
    return read;
}

std::string completion_to_proto(const completion& done, const std::vector<std::string>& updates) {
    if (done.activation_failure) {
        return refusal_to_proto(done.run_id, done.activation_failure->message);
    }
    coresdk::workflow_completion::WorkflowActivationCompletion c;
    c.set_run_id(done.run_id);
    auto& commands = *c.mutable_successful()->mutable_commands();
    for (const auto& id : updates) {
        auto& response = *commands.Add()->mutable_update_response();
        response.set_protocol_instance_id(id);
        *response.mutable_rejected() = to_proto(
            failure::application("unknown_update", "workflows here take no updates", true));
    }
    for (const auto& one : done.commands) {
        std::visit([&](const auto& cmd) { put(*commands.Add(), cmd); }, one);
    }
    return c.SerializeAsString();
}

std::string refusal_to_proto(const std::string& run_id, const std::string& why) {
    coresdk::workflow_completion::WorkflowActivationCompletion c;
    c.set_run_id(run_id);
    auto& failed = *c.mutable_failed();
    *failed.mutable_failure() = to_proto(failure::application("workflow_task_failed", why));
    failed.set_force_cause(
        api::enums::v1::WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE);
    return c.SerializeAsString();
}

}  // namespace vora::durable
