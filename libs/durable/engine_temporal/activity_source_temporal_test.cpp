// activity_worker on Temporal: what an attempt's end means, on a real server.

#include "libs/durable/engine_temporal/temporal_fixture.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <vector>

namespace vora::durable {
namespace {

using namespace std::chrono_literals;
namespace service = temporal::api::workflowservice::v1;

// One activity with attempts that follow each other at once.
script calls(const std::string& type, const std::string& input = "{}") {
    script s;
    s.activity_type = type;
    s.input = input;
    s.options.start_to_close_timeout = 10min;
    s.options.retry.initial_interval = 20ms;
    return s;
}

// Lives until it is told to end.
task<outcome<std::string>> until_cancelled(activity_context& ctx) {
    while (!ctx.is_cancelled()) {
        ctx.heartbeat("\"alive\"");
        co_await sleep_for(5ms);
    }
    co_return std::unexpected(failure::cancelled());
}

TEST(temporal_activity, gets_its_input_and_its_result_goes_back) {
    temporal_box box;
    activity_info seen;
    std::string input;
    box.activities.add("step",
                       [&](activity_context& ctx, std::string in) -> task<outcome<std::string>> {
                           seen = ctx.info();
                           input = std::move(in);
                           co_return R"({"out":1})";
                       });
    box.serve_workflows();
    box.work();
    box.start("v1", calls("step", R"({"in":"ü"})"));
    EXPECT_EQ(box.closed("v1").status, run_status::completed);
    EXPECT_EQ(input, R"({"in":"ü"})");
    EXPECT_EQ(seen.type, "step");
    EXPECT_EQ(seen.attempt, 1);
    EXPECT_EQ(seen.workflow_id, box.id("v1"));
    EXPECT_EQ(seen.run_id, box.describe("v1").run_id);
    EXPECT_EQ(seen.heartbeat_details, "");
}

TEST(temporal_activity, that_failed_is_tried_again_with_its_last_heartbeat) {
    temporal_box box;
    std::vector<activity_info> seen;
    box.activities.add("flaky",
                       [&](activity_context& ctx, std::string) -> task<outcome<std::string>> {
                           seen.push_back(ctx.info());
                           if (seen.size() < 3) {
                               ctx.heartbeat(std::to_string(seen.size()));
                               co_return std::unexpected(failure::application("flaky", "again"));
                           }
                           co_return "";
                       });
    box.serve_workflows();
    box.work();
    auto s = calls("flaky");
    // A server with too much to do may lose the way of a task: that attempt times out, and counts.
    s.options.start_to_close_timeout = 10s;
    box.start("v1", std::move(s));
    EXPECT_EQ(box.closed("v1").status, run_status::completed);
    ASSERT_EQ(seen.size(), 3u);
    EXPECT_GT(seen[1].attempt, seen[0].attempt);
    EXPECT_EQ(seen[1].heartbeat_details, "1");
    EXPECT_GT(seen[2].attempt, seen[1].attempt);
    EXPECT_EQ(seen[2].heartbeat_details, "2");
}

TEST(temporal_activity, that_can_never_succeed_fails_the_workflow_with_its_cause) {
    temporal_box box;
    int attempts = 0;
    box.activities.add("probe", [&](activity_context&, std::string) -> task<outcome<std::string>> {
        ++attempts;
        auto f = failure::application("input_not_video", "no stream", true);
        f.details = R"({"streams":0})";
        co_return std::unexpected(f);
    });
    box.serve_workflows();
    box.work();
    box.start("v1", calls("probe"));
    const auto d = box.closed("v1");
    EXPECT_EQ(d.status, run_status::failed);
    ASSERT_TRUE(d.last_failure);
    EXPECT_EQ(d.last_failure->what, failure::kind::activity);
    EXPECT_EQ(d.last_failure->type, "probe");
    EXPECT_EQ(d.last_failure->root().type, "input_not_video");
    EXPECT_TRUE(d.last_failure->root().non_retryable);
    EXPECT_EQ(d.last_failure->root().details, R"({"streams":0})");
    EXPECT_EQ(attempts, 1);
}

TEST(temporal_activity, is_described_while_it_runs) {
    temporal_box box;
    int attempts = 0;
    box.activities.add("long",
                       [&](activity_context& ctx, std::string) -> task<outcome<std::string>> {
                           if (++attempts == 1) {
                               co_return std::unexpected(failure::application("flaky", "first"));
                           }
                           auto r = co_await until_cancelled(ctx);
                           co_return r;
                       });
    box.serve_workflows();
    box.work();
    box.start("v1", calls("long"));
    pending_activity pending;
    EXPECT_TRUE(box.until([&] {
        const auto all = box.describe("v1").pending_activities;
        pending = all.size() == 1 ? all[0] : pending_activity{};
        return pending.heartbeat_details == "\"alive\"";
    }));
    EXPECT_EQ(pending.type, "long");
    EXPECT_EQ(pending.attempt, 2);
    EXPECT_EQ(pending.last_failure_type, "flaky");
    ASSERT_TRUE(box.run(box.engine->cancel(box.id("v1"))));
    box.closed("v1");
}

TEST(temporal_activity, sees_by_its_heartbeat_that_it_is_cancelled) {
    temporal_box box;
    int began = 0;
    box.activities.add("long",
                       [&](activity_context& ctx, std::string) -> task<outcome<std::string>> {
                           ++began;
                           auto r = co_await until_cancelled(ctx);
                           co_return r;
                       });
    box.serve_workflows();
    box.work();
    box.start("v1", calls("long"));
    ASSERT_TRUE(box.until([&] { return began == 1; }));
    ASSERT_TRUE(box.run(box.engine->cancel(box.id("v1"))));
    EXPECT_EQ(box.closed("v1").status, run_status::cancelled);
    EXPECT_EQ(began, 1);
}

TEST(temporal_activity, that_takes_too_long_fails_as_start_to_close) {
    temporal_box box;
    int began = 0;
    box.activities.add("long",
                       [&](activity_context& ctx, std::string) -> task<outcome<std::string>> {
                           ++began;
                           auto r = co_await until_cancelled(ctx);
                           co_return r;
                       });
    box.serve_workflows();
    box.work();
    auto s = calls("long");
    s.options.start_to_close_timeout = 1s;
    s.options.retry.maximum_attempts = 1;
    box.start("v1", s);
    const auto d = box.closed("v1");
    EXPECT_EQ(d.status, run_status::failed);
    ASSERT_TRUE(d.last_failure);
    EXPECT_EQ(d.last_failure->root().what, failure::kind::timeout);
    EXPECT_EQ(d.last_failure->root().type, "start_to_close");
    EXPECT_EQ(began, 1);
}

TEST(temporal_activity, that_is_silent_for_too_long_is_tried_again) {
    temporal_box box;
    int began = 0;
    box.activities.add("silent",
                       [&](activity_context& ctx, std::string) -> task<outcome<std::string>> {
                           if (++began == 1) {
                               while (!ctx.is_cancelled()) {
                                   co_await sleep_for(5ms);
                               }
                           }
                           co_return "1";
                       });
    box.serve_workflows();
    box.work();
    auto s = calls("silent");
    s.options.heartbeat_timeout = 1s;
    box.start("v1", s);
    EXPECT_EQ(box.closed("v1").status, run_status::completed);
    EXPECT_EQ(began, 2);
}

// The JSON that the run ended with.
std::string result_of(temporal_box& box, const std::string& name) {
    service::GetWorkflowExecutionHistoryRequest q;
    q.set_namespace_("default");
    q.mutable_execution()->set_workflow_id(box.id(name));
    q.set_history_event_filter_type(
        temporal::api::enums::v1::HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT);
    const auto r = box.run(box.raw.call("GetWorkflowExecutionHistory", q.SerializeAsString(), 30s));
    service::GetWorkflowExecutionHistoryResponse h;
    if (!h.ParseFromString(r.message) || h.history().events().empty()) {
        return r.text;
    }
    const auto& end = *h.history().events().rbegin();
    const auto& result = end.workflow_execution_completed_event_attributes().result();
    return result.payloads().empty() ? "" : result.payloads(0).data();
}

// As after SIGSTOP and SIGCONT: the loop of `frozen` stands still for longer than the heartbeat's
// timeout, then goes on.
TEST(temporal_activity, of_a_worker_that_stood_still_is_anothers_and_its_late_answer_is_refused) {
    temporal_box frozen;
    temporal_box box;
    bool began = false;
    bool released = false;
    bool told_to_stop = false;
    activity_registry slow;
    slow.add("step", [&](activity_context& ctx, std::string) -> task<outcome<std::string>> {
        if (released) {
            co_return "\"after\"";
        }
        began = true;
        while (!released || !ctx.is_cancelled()) {
            ctx.heartbeat("\"alive\"");
            co_await sleep_for(5ms);
        }
        told_to_stop = true;
        co_return "\"late\"";
    });
    activity_worker worker(frozen.loop.executor(), *frozen.engine, slow,
                           {.task_queue = box.activity_queue()}, obs::logger());
    worker.start();
    const auto both_turn = [&] { box.run(sleep_for(5ms)); };
    box.serve_workflows();
    auto s = calls("step");
    s.options.heartbeat_timeout = 1s;
    box.start("v1", s);
    ASSERT_TRUE(frozen.until([&] {
        both_turn();
        return began;
    }));
    box.activities.add("step",
                       [&](activity_context& ctx, std::string) -> task<outcome<std::string>> {
                           EXPECT_GE(ctx.info().attempt, 2);
                           co_return "\"second\"";
                       });
    box.work();
    EXPECT_EQ(box.closed("v1").status, run_status::completed);
    box.stop_working();
    released = true;
    box.start("v2", calls("step"));
    ASSERT_TRUE(frozen.until([&] { return box.describe("v2").status != run_status::running; }));
    EXPECT_TRUE(told_to_stop) << "its heartbeat is told that the attempt is over";
    EXPECT_EQ(result_of(box, "v1"), "\"second\"");
    EXPECT_EQ(result_of(box, "v2"), "\"after\"") << "the process goes on with other work";
    EXPECT_NE(frozen.metrics.expose().find("{method=\"RespondActivityTaskCompleted\",outcome="
                                           "\"failed\"} 1"),
              std::string::npos);
    frozen.run(worker.stop());
}

TEST(temporal_activity, whose_worker_stops_is_handed_back_even_on_its_last_attempt) {
    temporal_box box;
    std::vector<activity_info> seen;
    box.activities.add("long",
                       [&](activity_context& ctx, std::string) -> task<outcome<std::string>> {
                           seen.push_back(ctx.info());
                           if (seen.size() == 2) {
                               co_return "1";
                           }
                           auto r = co_await until_cancelled(ctx);
                           co_return r;
                       });
    box.serve_workflows();
    box.work();
    auto s = calls("long");
    s.options.retry.maximum_attempts = 1;
    box.start("v1", s);
    ASSERT_TRUE(box.until([&] {
        const auto all = box.describe("v1").pending_activities;
        return all.size() == 1 && all[0].heartbeat_details == "\"alive\"";
    }));
    box.stop_working();
    EXPECT_EQ(box.describe("v1").status, run_status::running);
    box.work();
    EXPECT_EQ(box.closed("v1").status, run_status::completed);
    ASSERT_EQ(seen.size(), 2u);
    EXPECT_EQ(seen[1].heartbeat_details, "\"alive\"");
}

TEST(temporal_activity, with_an_input_that_is_not_json_fails_at_once) {
    temporal_box box;
    int began = 0;
    box.activities.add("step", [&](activity_context&, std::string) -> task<outcome<std::string>> {
        ++began;
        co_return "1";
    });
    box.serve_workflows();
    box.work();
    auto s = calls("step", "x");
    s.encoding = "binary/encrypted";
    box.start("v1", s);
    const auto d = box.closed("v1");
    EXPECT_EQ(d.status, run_status::failed);
    ASSERT_TRUE(d.last_failure);
    EXPECT_EQ(d.last_failure->root().type, "bad_input");
    EXPECT_EQ(began, 0);
}

TEST(temporal_activity, whose_result_is_too_large_fails) {
    temporal_box box;
    box.activities.add("step", [](activity_context&, std::string) -> task<outcome<std::string>> {
        co_return std::string(payload_bytes_max + 1, '1');
    });
    box.serve_workflows();
    box.work();
    box.start("v1", calls("step"));
    const auto d = box.closed("v1");
    EXPECT_EQ(d.status, run_status::failed);
    ASSERT_TRUE(d.last_failure);
    EXPECT_EQ(d.last_failure->root().type, "payload_too_large");
}

TEST(temporal_activity, an_attempt_that_is_over_is_not_found) {
    temporal_box box;
    box.serve_workflows();
    box.start("v1", calls("step"));
    const auto first = box.run(box.engine->poll(box.activity_queue())).value().value();
    EXPECT_EQ(box.run(box.engine->heartbeat(first.task_token, "1")), false);
    ASSERT_TRUE(box.run(box.engine->complete(first.task_token,
                                             std::unexpected(failure::application("flaky", "")))));
    EXPECT_EQ(box.run(box.engine->complete(first.task_token, "late")).error().code,
              errc::not_found);
    EXPECT_EQ(box.run(box.engine->heartbeat(first.task_token, "")).error().code, errc::not_found);
    const auto second = box.run(box.engine->poll(box.activity_queue())).value().value();
    EXPECT_EQ(second.info.attempt, 2);
    ASSERT_TRUE(box.run(box.engine->terminate(box.id("v1"), "operator")));
    EXPECT_EQ(box.run(box.engine->heartbeat(second.task_token, "")).error().code, errc::not_found);
    EXPECT_EQ(box.run(box.engine->complete(second.task_token, "late")).error().reason,
              "attempt_over");
    EXPECT_EQ(box.run(box.engine->heartbeat("nonsense", "")).error().code, errc::not_found);
    EXPECT_EQ(box.run(box.engine->complete("nonsense", "1")).error().code, errc::not_found);
}

task<> poll_into(temporal_engine& e, std::string queue,
                 std::optional<result<std::optional<activity_task>>>& out) {
    auto r = co_await e.poll(std::move(queue));
    out = std::move(r);
}

TEST(temporal_activity, an_engine_that_stops_ends_its_open_polls) {
    temporal_box box;
    std::optional<result<std::optional<activity_task>>> answer;
    task_group group(box.loop.executor());
    group.spawn(poll_into(*box.engine, box.activity_queue(), answer));
    box.run(box.engine->check());  // the poll is under way
    EXPECT_FALSE(answer);
    box.run(box.engine->stop());
    box.run(group.join());
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->error().reason, "engine_stopped");
}

// The server gives the attempt to a poll whose coroutine is cancelled before it hears of it. The
// poll ends, or returns the task after all; it must not be lost. What the activity's first attempt
// failed with is returned.
std::string cancel_a_poll_that_got_a_task() {
    temporal_box poller;
    temporal_box box;
    auto s = calls("step");
    s.options.start_to_close_timeout = 3s;
    box.serve_workflows();
    std::optional<result<std::optional<activity_task>>> answer;
    task_group group(poller.loop.executor());
    group.spawn(poll_into(*poller.engine, box.activity_queue(), answer));
    EXPECT_TRUE(poller.run(poller.engine->check()));  // the poll is under way
    bool stopped = false;
    // Lies before the poll's answer in the loop, which stands still.
    boost::asio::co_spawn(poller.loop.executor(), group.stop(),
                          [&stopped](std::exception_ptr) { stopped = true; });
    box.start("v1", s);
    EXPECT_TRUE(box.until([&] {
        service::DescribeWorkflowExecutionRequest q;
        q.set_namespace_("default");
        q.mutable_execution()->set_workflow_id(box.id("v1"));
        const auto r =
            box.run(box.raw.call("DescribeWorkflowExecution", q.SerializeAsString(), 30s));
        service::DescribeWorkflowExecutionResponse d;
        return d.ParseFromString(r.message) && d.pending_activities_size() == 1 &&
               d.pending_activities(0).state() ==
                   temporal::api::enums::v1::PENDING_ACTIVITY_STATE_STARTED;
    }));
    EXPECT_TRUE(poller.until([&] { return stopped; }));
    if (answer && *answer && **answer) {  // it came first: a stopping worker reports it like this
        EXPECT_TRUE(poller.run(poller.engine->complete((**answer)->task_token,
                                                       std::unexpected(failure::cancelled()))));
    }
    poller.run(poller.engine->stop());
    const auto again = box.run(box.engine->poll(box.activity_queue())).value().value();
    EXPECT_EQ(again.info.attempt, 2);
    const auto pending = box.describe("v1").pending_activities;
    EXPECT_TRUE(box.run(box.engine->complete(again.task_token, "1")));
    EXPECT_EQ(box.closed("v1").status, run_status::completed);
    return pending.empty() ? "" : pending[0].last_failure_type;
}

TEST(temporal_activity, a_task_that_reaches_a_cancelled_poll_is_not_lost) {
    std::string why;
    // Were the answer still on its way, the task is lost until it times out: then once more.
    for (int tries = 0; tries < 5 && why != "worker_stopped"; ++tries) {
        why = cancel_a_poll_that_got_a_task();
    }
    EXPECT_EQ(why, "worker_stopped");
}

}  // namespace
}  // namespace vora::durable
