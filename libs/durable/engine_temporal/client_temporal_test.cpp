// What durable::client promises, on a real server.

#include "libs/durable/engine_temporal/temporal_fixture.hpp"

#include <gtest/gtest.h>

namespace vora::durable {
namespace {

using namespace std::chrono_literals;

task<> start_one(temporal_engine& e, start_request r, std::vector<result<std::string>>& out,
                 bool& asked_again) {
    for (;;) {
        auto started = co_await e.start(r);
        if (!is_overloaded(started)) {
            out.push_back(std::move(started));
            co_return;
        }
        asked_again = true;
        co_await sleep_for(50ms);
    }
}

TEST(temporal_client, a_workflow_id_starts_once_ever) {
    temporal_box box;
    box.serve_workflows();
    box.start("v1", {});
    EXPECT_EQ(box.start("v1").error().code, errc::already_exists);
    ASSERT_TRUE(box.run(box.engine->signal(box.id("v1"), "go", "1")));
    EXPECT_EQ(box.closed("v1").status, run_status::completed);
    EXPECT_EQ(box.start("v1").error().code, errc::already_exists);
    EXPECT_EQ(box.start("v1").error().reason, "workflow_already_started");
}

TEST(temporal_client, of_many_starts_at_once_exactly_one_starts) {
    temporal_box box;
    std::vector<result<std::string>> answers;
    bool asked_again = false;  // then the one that started may be among those said to have failed
    task_group group(box.loop.executor());
    for (int i = 0; i < 8; ++i) {
        group.spawn(start_one(*box.engine, {box.id("v1"), "scripted", box.workflow_queue(), "{}"},
                              answers, asked_again));
    }
    box.run(group.join());
    int started = 0;
    for (const auto& a : answers) {
        started += a ? 1 : 0;
        EXPECT_TRUE(a || a.error().code == errc::already_exists) << a.error().reason;
    }
    EXPECT_TRUE(started == 1 || (started == 0 && asked_again)) << started;
    EXPECT_EQ(answers.size(), 8u);
    EXPECT_EQ(box.describe("v1").status, run_status::running);
}

TEST(temporal_client, describe_tells_what_was_started_and_how_it_ended) {
    temporal_box box;
    box.scripts["v1"] = {};
    const auto run_id = box.start("v1");
    ASSERT_TRUE(run_id);
    const auto open = box.describe("v1");
    EXPECT_EQ(open.workflow_id, box.id("v1"));
    EXPECT_EQ(open.run_id, *run_id);
    EXPECT_EQ(open.workflow_type, "scripted");
    EXPECT_EQ(open.status, run_status::running);
    EXPECT_GT(open.started, timestamp());
    EXPECT_FALSE(open.closed);
    box.serve_workflows();
    ASSERT_TRUE(box.run(box.engine->signal(box.id("v1"), "go", "\"x\"")));
    const auto done = box.closed("v1");
    EXPECT_EQ(done.status, run_status::completed);
    ASSERT_TRUE(done.closed);
    EXPECT_GE(*done.closed, done.started);
    EXPECT_FALSE(done.last_failure);
}

TEST(temporal_client, a_signal_to_a_closed_run_is_refused) {
    temporal_box box;
    box.serve_workflows();
    box.start("v1", {});
    ASSERT_TRUE(box.run(box.engine->signal(box.id("v1"), "go", "")));
    box.closed("v1");
    const auto late = box.run(box.engine->signal(box.id("v1"), "go", ""));
    EXPECT_EQ(late.error().code, errc::failed_precondition);
    EXPECT_EQ(late.error().reason, "workflow_closed");
}

TEST(temporal_client, cancelling_is_a_request_that_may_be_repeated) {
    temporal_box box;
    box.start("v1", {});
    EXPECT_TRUE(box.run(box.engine->cancel(box.id("v1"))));
    EXPECT_TRUE(box.run(box.engine->cancel(box.id("v1"))));
    EXPECT_EQ(box.describe("v1").status, run_status::running);
    box.serve_workflows();
    EXPECT_EQ(box.closed("v1").status, run_status::cancelled);
    EXPECT_TRUE(box.run(box.engine->cancel(box.id("v1"))));
    EXPECT_TRUE(box.run(box.engine->terminate(box.id("v1"), "late")));
    EXPECT_EQ(box.describe("v1").status, run_status::cancelled);
}

TEST(temporal_client, terminate_ends_a_run_without_its_code) {
    temporal_box box;
    box.start("v1", {});
    ASSERT_TRUE(box.run(box.engine->terminate(box.id("v1"), "operator")));
    const auto d = box.describe("v1");
    EXPECT_EQ(d.status, run_status::terminated);
    ASSERT_TRUE(d.last_failure);
    EXPECT_EQ(d.last_failure->what, failure::kind::terminated);
    EXPECT_EQ(d.last_failure->message, "operator");
    EXPECT_TRUE(box.run(box.engine->terminate(box.id("v1"), "again")));
    EXPECT_TRUE(box.run(box.engine->cancel(box.id("v1"))));
}

TEST(temporal_client, a_query_is_answered_by_open_and_by_closed_runs) {
    temporal_box box;
    box.serve_workflows();
    box.start("v1", {});
    EXPECT_EQ(box.run(box.engine->query(box.id("v1"), "stage", "")), "\"waiting\"");
    const auto unknown = box.run(box.engine->query(box.id("v1"), "none", ""));
    EXPECT_EQ(unknown.error().code, errc::failed_precondition);
    EXPECT_EQ(unknown.error().reason, "unknown_query");
    ASSERT_TRUE(box.run(box.engine->signal(box.id("v1"), "go", "")));
    box.closed("v1");
    EXPECT_EQ(box.run(box.engine->query(box.id("v1"), "stage", "")), "\"waiting\"");
}

TEST(temporal_client, unknown_ids_are_not_found) {
    temporal_box box;
    const auto id = box.id("never");
    EXPECT_EQ(box.run(box.engine->describe(id)).error().code, errc::not_found);
    EXPECT_EQ(box.run(box.engine->signal(id, "go", "")).error().code, errc::not_found);
    EXPECT_EQ(box.run(box.engine->query(id, "stage", "")).error().code, errc::not_found);
    EXPECT_EQ(box.run(box.engine->cancel(id)).error().code, errc::not_found);
    EXPECT_EQ(box.run(box.engine->terminate(id, "")).error().code, errc::not_found);
}

TEST(temporal_client, a_large_payload_is_refused) {
    temporal_box box;
    const std::string large(payload_bytes_max + 1, '1');
    EXPECT_EQ(
        box.run(box.engine->start({box.id("v"), "t", box.workflow_queue(), large})).error().reason,
        "payload_too_large");
    EXPECT_EQ(box.run(box.engine->signal(box.id("v"), "go", large)).error().reason,
              "payload_too_large");
    EXPECT_EQ(box.run(box.engine->query(box.id("v"), "stage", large)).error().reason,
              "payload_too_large");
}

TEST(temporal_client, check_finds_a_server_and_its_namespace) {
    temporal_box box;
    EXPECT_TRUE(box.run(box.engine->check()));
    auto options = box.options();
    options.address.namespace_name = "no-such-namespace";
    temporal_engine other(box.loop.executor(), options, obs::logger(), box.metrics);
    const auto r = box.run(other.check());
    EXPECT_EQ(r.error().code, errc::unavailable);
    EXPECT_EQ(r.error().reason, "temporal_namespace_missing");
    EXPECT_EQ(box.run(other.start({box.id("v"), "t", box.workflow_queue(), ""})).error().reason,
              "temporal_namespace_missing");
    box.run(other.stop());
}

TEST(temporal_client, a_server_that_is_away_is_unavailable) {
    temporal_box box;
    auto options = box.options();
    options.address.host_port = "127.0.0.1:1";
    temporal_engine other(box.loop.executor(), options, obs::logger(), box.metrics);
    EXPECT_EQ(box.run(other.check()).error().code, errc::unavailable);
    EXPECT_EQ(box.run(other.describe("v")).error().reason, "temporal_unavailable");
    EXPECT_EQ(box.run(other.poll("queue")).error().code, errc::unavailable);
    EXPECT_NE(box.metrics.expose().find("vora_durable_temporal_calls_total{method="
                                        "\"DescribeWorkflowExecution\",outcome=\"failed\"} 1"),
              std::string::npos);
    box.run(other.stop());
}

TEST(temporal_client, a_stopped_engine_is_unavailable) {
    temporal_box box;
    box.run(box.engine->stop());
    EXPECT_EQ(box.start("v1").error().reason, "engine_stopped");
    EXPECT_EQ(box.run(box.engine->describe("v1")).error().code, errc::unavailable);
    EXPECT_EQ(box.run(box.engine->poll("queue")).error().code, errc::unavailable);
    EXPECT_EQ(box.run(box.engine->heartbeat("1", "")).error().code, errc::unavailable);
}

}  // namespace
}  // namespace vora::durable
