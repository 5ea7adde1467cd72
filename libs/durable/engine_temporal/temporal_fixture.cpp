#include "libs/durable/engine_temporal/temporal_fixture.hpp"

#include "libs/base/crypto.hpp"
#include "libs/durable/engine_temporal/failure_proto.hpp"
#include "libs/durable/engine_temporal/options_proto.hpp"
#include "libs/durable/engine_temporal/payload_proto.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <stdexcept>

namespace vora::durable {

namespace service = temporal::api::workflowservice::v1;
namespace enums = temporal::api::enums::v1;
namespace history = temporal::api::history::v1;
using temporal::api::command::v1::Command;
using commands = google::protobuf::RepeatedPtrField<Command>;

namespace {

constexpr auto patience = std::chrono::seconds(60);

// What a workflow has lived through.
struct past {
    std::int64_t scheduled_event = 0;
    bool cancel_asked = false;
    bool activity_cancel_asked = false;
    const temporal::api::common::v1::Payloads* result = nullptr;
    const temporal::api::failure::v1::Failure* failed = nullptr;
    bool activity_cancelled = false;
    const temporal::api::common::v1::Payloads* signal = nullptr;
};

past past_of(const history::History& h) {
    past p;
    for (const auto& e : h.events()) {
        switch (e.event_type()) {
            case enums::EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
                p.scheduled_event = e.event_id();
                break;
            case enums::EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED:
                p.activity_cancel_asked = true;
                break;
            case enums::EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
                p.result = &e.activity_task_completed_event_attributes().result();
                break;
            case enums::EVENT_TYPE_ACTIVITY_TASK_FAILED:
                p.failed = &e.activity_task_failed_event_attributes().failure();
                break;
            case enums::EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
                p.failed = &e.activity_task_timed_out_event_attributes().failure();
                break;
            case enums::EVENT_TYPE_ACTIVITY_TASK_CANCELED:
                p.activity_cancelled = true;
                break;
            case enums::EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED:
                p.cancel_asked = true;
                break;
            case enums::EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
                p.signal = &e.workflow_execution_signaled_event_attributes().input();
                break;
            default:
                break;
        }
    }
    return p;
}

void complete_with(const temporal::api::common::v1::Payloads& result, commands& out) {
    auto& c = *out.Add();
    c.set_command_type(enums::COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION);
    *c.mutable_complete_workflow_execution_command_attributes()->mutable_result() = result;
}

void cancel_run(commands& out) {
    auto& c = *out.Add();
    c.set_command_type(enums::COMMAND_TYPE_CANCEL_WORKFLOW_EXECUTION);
    c.mutable_cancel_workflow_execution_command_attributes();
}

void schedule(const script& s, const std::string& queue, commands& out) {
    auto& c = *out.Add();
    c.set_command_type(enums::COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK);
    auto& a = *c.mutable_schedule_activity_task_command_attributes();
    a.set_activity_id("1");
    a.mutable_activity_type()->set_name(s.activity_type);
    a.mutable_task_queue()->set_name(queue);
    to_payloads(s.input, *a.mutable_input());
    if (!s.encoding.empty()) {
        (*a.mutable_input()->mutable_payloads(0)->mutable_metadata())["encoding"] = s.encoding;
    }
    *a.mutable_start_to_close_timeout() = to_proto(s.options.start_to_close_timeout);
    *a.mutable_schedule_to_close_timeout() = to_proto(s.options.schedule_to_close_timeout);
    *a.mutable_heartbeat_timeout() = to_proto(s.options.heartbeat_timeout);
    *a.mutable_retry_policy() = to_proto(s.options.retry);
}

void decide(const script& s, const past& p, const std::string& queue, commands& out) {
    if (s.activity_type.empty()) {
        if (p.cancel_asked) {
            cancel_run(out);
        } else if (p.signal != nullptr) {
            complete_with(*p.signal, out);
        }
    } else if (p.result != nullptr) {
        complete_with(*p.result, out);
    } else if (p.failed != nullptr) {
        auto& c = *out.Add();
        c.set_command_type(enums::COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION);
        *c.mutable_fail_workflow_execution_command_attributes()->mutable_failure() =
            to_proto(failure::activity(s.activity_type, from_proto(*p.failed)));
    } else if (p.activity_cancelled) {
        cancel_run(out);
    } else if (p.scheduled_event == 0) {
        schedule(s, queue, out);
    } else if (p.cancel_asked && !p.activity_cancel_asked) {
        auto& c = *out.Add();
        c.set_command_type(enums::COMMAND_TYPE_REQUEST_CANCEL_ACTIVITY_TASK);
        c.mutable_request_cancel_activity_task_command_attributes()->set_scheduled_event_id(
            p.scheduled_event);
    }
}

std::string query_answer(const service::PollWorkflowTaskQueueResponse& t, const script& s,
                         const std::string& name_space) {
    service::RespondQueryTaskCompletedRequest q;
    q.set_namespace_(name_space);
    q.set_task_token(t.task_token());
    if (t.query().query_type() == "stage") {
        q.set_completed_type(enums::QUERY_RESULT_TYPE_ANSWERED);
        to_payloads(s.query, *q.mutable_query_result());
    } else {
        q.set_completed_type(enums::QUERY_RESULT_TYPE_FAILED);
        q.set_error_message("no such query");
        *q.mutable_failure() =
            to_proto(failure::application("unknown_query", "no such query", true));
    }
    return q.SerializeAsString();
}

}  // namespace

std::string temporal_box::address() {
    const char* value = std::getenv("VORA_TEST_TEMPORAL");
    if (value == nullptr) {
        throw std::runtime_error(
            "VORA_TEST_TEMPORAL names no server: run this by "
            "`python3 -m tools.stack.with_servers temporal -- TEST`");
    }
    return value;
}

temporal_box::temporal_box()
    : raw(loop.executor(), address()),
      prefix_("test-" + random_hex(8) + "-"),
      poller_(loop.executor()) {
    engine = std::make_unique<temporal_engine>(loop.executor(), options(), obs::logger(), metrics);
}

temporal_box::~temporal_box() {
    stop_working();
    run(poller_.stop());
    raw.cancel_all();
    run(raw.drained());
    if (engine) {
        run(engine->stop());
    }
}

temporal_engine_options temporal_box::options() const {
    temporal_engine_options o;
    o.address.host_port = address();
    o.identity = "test";
    o.call_timeout = std::chrono::seconds(30);
    return o;
}

bool temporal_box::until(const std::function<bool()>& holds) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (!holds()) {
        if (std::chrono::steady_clock::now() > deadline) {
            return false;
        }
        run(sleep_for(milliseconds(5)));
    }
    return true;
}

result<std::string> temporal_box::start(const std::string& name) {
    result<std::string> started;
    int asked = 0;
    until([&] {
        ++asked;
        started = run(engine->start(start_request{id(name), "scripted", workflow_queue(), "{}"}));
        return !is_overloaded(started);
    });
    if (asked > 1 && !started && started.error().code == errc::already_exists) {
        return describe(name).run_id;  // one that was said to have failed
    }
    return started;
}

void temporal_box::start(const std::string& name, script s) {
    scripts[name] = std::move(s);
    const auto started = start(name);
    ASSERT_TRUE(started) << started.error().reason << ": " << started.error().detail;
}

run_description temporal_box::describe(const std::string& name) {
    result<run_description> d;
    until([&] {
        d = run(engine->describe(id(name)));
        return !is_overloaded(d);
    });
    if (!d) {
        ADD_FAILURE() << name << ": " << d.error().reason << ": " << d.error().detail;
        return {};
    }
    return *d;
}

run_description temporal_box::closed(const std::string& name) {
    run_description d;
    EXPECT_TRUE(until([&] {
        d = describe(name);
        return d.status != run_status::running;
    })) << name
        << " did not end";
    return d;
}

void temporal_box::serve_workflows() {
    poller_.spawn(poll_workflows());
}

void temporal_box::work(std::size_t concurrency) {
    worker_ = std::make_unique<activity_worker>(
        loop.executor(), *engine, activities,
        activity_worker_options{.task_queue = activity_queue(),
                                .concurrency = concurrency,
                                .graceful_stop = std::chrono::seconds(5)},
        obs::logger());
    worker_->start();
}

void temporal_box::stop_working() {
    if (worker_) {
        run(worker_->stop());
        worker_.reset();
    }
}

const script& temporal_box::script_of(const std::string& workflow_id) const {
    return scripts.at(workflow_id.substr(prefix_.size()));
}

task<> temporal_box::poll_workflows() {
    for (;;) {
        service::PollWorkflowTaskQueueRequest q;
        q.set_namespace_("default");
        q.mutable_task_queue()->set_name(workflow_queue());
        q.set_identity("test");
        auto polled = co_await raw.call("PollWorkflowTaskQueue", q.SerializeAsString(),
                                        std::chrono::seconds(70));
        service::PollWorkflowTaskQueueResponse t;
        if (polled.code == call_answer::ok && t.ParseFromString(polled.message) &&
            !t.task_token().empty()) {
            co_await answer(std::move(t));
        } else if (polled.code != call_answer::ok) {
            co_await sleep_for(milliseconds(50));
        }
    }
}

task<> temporal_box::answer(service::PollWorkflowTaskQueueResponse t) {
    const auto& s = script_of(t.workflow_execution().workflow_id());
    if (t.has_query()) {
        auto done = co_await raw.call("RespondQueryTaskCompleted", query_answer(t, s, "default"),
                                      std::chrono::seconds(30));
        EXPECT_EQ(done.code, call_answer::ok) << done.text;
        co_return;
    }
    service::RespondWorkflowTaskCompletedRequest q;
    q.set_namespace_("default");
    q.set_task_token(t.task_token());
    q.set_identity("test");
    decide(s, past_of(t.history()), activity_queue(), *q.mutable_commands());
    // It may have been ended meanwhile, or have got a signal: then there is another task.
    co_await raw.call("RespondWorkflowTaskCompleted", q.SerializeAsString(),
                      std::chrono::seconds(30));
}

}  // namespace vora::durable
