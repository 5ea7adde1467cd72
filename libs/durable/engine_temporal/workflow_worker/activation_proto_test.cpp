#include "libs/durable/engine_temporal/workflow_worker/activation_proto.hpp"

#include "libs/durable/engine_temporal/failure_proto.hpp"
#include "libs/durable/engine_temporal/payload_proto.hpp"

#include <gtest/gtest.h>
#include <temporal/sdk/core/workflow_activation/workflow_activation.pb.h>
#include <temporal/sdk/core/workflow_completion/workflow_completion.pb.h>

namespace vora::durable {
namespace {

using namespace std::chrono_literals;
using coresdk::workflow_activation::RemoveFromCache;
using coresdk::workflow_activation::WorkflowActivation;
using coresdk::workflow_completion::WorkflowActivationCompletion;

WorkflowActivation activation_of_run() {
    WorkflowActivation a;
    a.set_run_id("run");
    a.set_is_replaying(true);
    a.set_history_length(12);
    a.mutable_timestamp()->set_seconds(100);
    a.mutable_timestamp()->set_nanos(7'000'000);
    return a;
}

read_activation read(const WorkflowActivation& a) {
    return activation_from_proto(a.SerializeAsString());
}

template <class Job>
Job only(const read_activation& r) {
    EXPECT_EQ(r.refused, "");
    EXPECT_EQ(r.value.jobs.size(), 1u);
    return std::get<Job>(r.value.jobs.at(0));
}

WorkflowActivationCompletion written(std::vector<workflow_command> commands) {
    WorkflowActivationCompletion c;
    EXPECT_TRUE(c.ParseFromString(completion_to_proto({"run", std::move(commands), {}})));
    EXPECT_EQ(c.run_id(), "run");
    return c;
}

coresdk::workflow_commands::WorkflowCommand written_one(workflow_command command) {
    const auto c = written({std::move(command)});
    EXPECT_EQ(c.successful().commands_size(), 1);
    return c.successful().commands(0);
}

TEST(activation_proto, reads_the_run_and_its_time) {
    const auto r = read(activation_of_run());
    EXPECT_EQ(r.value.run_id, "run");
    EXPECT_EQ(to_unix_ms(r.value.timestamp), 100'007);
    EXPECT_TRUE(r.value.is_replaying);
    EXPECT_EQ(r.value.history_length, 12);
    EXPECT_FALSE(r.evicts);
}

TEST(activation_proto, reads_the_start_of_a_run) {
    auto a = activation_of_run();
    auto& j = *a.add_jobs()->mutable_initialize_workflow();
    j.set_workflow_id("video-1-g1");
    j.set_workflow_type("ingest_video");
    j.set_randomness_seed(0xFFFF'FFFF'FFFF'FFFF);
    *j.add_arguments() = payload_of(R"({"video_id":"1"})");
    const auto job = only<job::initialize_workflow>(read(a));
    EXPECT_EQ(job.workflow_id, "video-1-g1");
    EXPECT_EQ(job.workflow_type, "ingest_video");
    EXPECT_EQ(job.input, R"({"video_id":"1"})");
    EXPECT_EQ(job.randomness_seed, 0xFFFF'FFFF'FFFF'FFFFu);
}

TEST(activation_proto, an_input_of_another_tool_is_empty_text_and_holds_nothing_up) {
    auto a = activation_of_run();
    auto& start = *a.add_jobs()->mutable_initialize_workflow();
    (*start.add_arguments()->mutable_metadata())["encoding"] = "binary/plain";
    auto& signal = *a.add_jobs()->mutable_signal_workflow();
    signal.set_signal_name("s");
    *signal.add_input() = payload_of("1");
    *signal.add_input() = payload_of("2");
    const auto r = read(a);
    EXPECT_EQ(r.refused, "");
    EXPECT_EQ(std::get<job::initialize_workflow>(r.value.jobs.at(0)).input, "");
    EXPECT_EQ(std::get<job::signal_workflow>(r.value.jobs.at(1)).input, "");
}

TEST(activation_proto, reads_timers_seeds_patches_cancellation_signals_and_queries_in_order) {
    auto a = activation_of_run();
    a.add_jobs()->mutable_notify_has_patch()->set_patch_id("p");
    a.add_jobs()->mutable_update_random_seed()->set_randomness_seed(9);
    auto& signal = *a.add_jobs()->mutable_signal_workflow();
    signal.set_signal_name("pause");
    *signal.add_input() = payload_of("true");
    a.add_jobs()->mutable_cancel_workflow();
    a.add_jobs()->mutable_fire_timer()->set_seq(3);
    auto& query = *a.add_jobs()->mutable_query_workflow();
    query.set_query_id("q1");
    query.set_query_type("progress");
    const auto r = read(a);
    ASSERT_EQ(r.refused, "");
    ASSERT_EQ(r.value.jobs.size(), 6u);
    EXPECT_EQ(std::get<job::notify_has_patch>(r.value.jobs[0]).patch_id, "p");
    EXPECT_EQ(std::get<job::update_random_seed>(r.value.jobs[1]).randomness_seed, 9u);
    EXPECT_EQ(std::get<job::signal_workflow>(r.value.jobs[2]).signal_name, "pause");
    EXPECT_EQ(std::get<job::signal_workflow>(r.value.jobs[2]).input, "true");
    EXPECT_TRUE(std::holds_alternative<job::cancel_workflow>(r.value.jobs[3]));
    EXPECT_EQ(std::get<job::fire_timer>(r.value.jobs[4]).seq, 3u);
    EXPECT_EQ(std::get<job::query_workflow>(r.value.jobs[5]).query_id, "q1");
    EXPECT_EQ(std::get<job::query_workflow>(r.value.jobs[5]).query_type, "progress");
}

TEST(activation_proto, reads_the_result_of_an_activity) {
    auto a = activation_of_run();
    auto& j = *a.add_jobs()->mutable_resolve_activity();
    j.set_seq(2);
    *j.mutable_result()->mutable_completed()->mutable_result() = payload_of("{}");
    const auto job = only<job::resolve_activity>(read(a));
    EXPECT_EQ(job.seq, 2u);
    EXPECT_EQ(job.result.value(), "{}");
}

TEST(activation_proto, a_result_of_another_tool_is_a_failure_of_the_activity) {
    auto a = activation_of_run();
    auto& result = *a.add_jobs()->mutable_resolve_activity()->mutable_result();
    (*result.mutable_completed()->mutable_result()->mutable_metadata())["encoding"] =
        "binary/plain";
    const auto job = only<job::resolve_activity>(read(a));
    ASSERT_FALSE(job.result);
    EXPECT_EQ(job.result.error().type, "bad_result");
}

TEST(activation_proto, reads_how_an_activity_failed_and_that_it_was_cancelled) {
    auto a = activation_of_run();
    *a.add_jobs()
         ->mutable_resolve_activity()
         ->mutable_result()
         ->mutable_failed()
         ->mutable_failure() =
        to_proto(failure::activity("encode", failure::application("encoder_crashed", "9")));
    *a.add_jobs()
         ->mutable_resolve_activity()
         ->mutable_result()
         ->mutable_cancelled()
         ->mutable_failure() = to_proto(failure::activity("encode", failure::cancelled()));
    const auto r = read(a);
    ASSERT_EQ(r.value.jobs.size(), 2u);
    const auto& failed = std::get<job::resolve_activity>(r.value.jobs[0]).result;
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().what, failure::kind::activity);
    EXPECT_EQ(failed.error().root().type, "encoder_crashed");
    const auto& cancelled = std::get<job::resolve_activity>(r.value.jobs[1]).result;
    ASSERT_FALSE(cancelled);
    EXPECT_TRUE(cancelled.error().is_cancelled());
}

TEST(activation_proto, knows_evictions_and_which_of_them_are_errors) {
    for (const auto [reason, wrong] : {std::pair{RemoveFromCache::CACHE_FULL, false},
                                       std::pair{RemoveFromCache::LANG_REQUESTED, false},
                                       std::pair{RemoveFromCache::NONDETERMINISM, true},
                                       std::pair{RemoveFromCache::FATAL, true}}) {
        auto a = activation_of_run();
        a.add_jobs()->mutable_remove_from_cache()->set_reason(reason);
        const auto r = read(a);
        EXPECT_TRUE(r.evicts);
        EXPECT_EQ(r.evicts_in_error, wrong);
    }
}

TEST(activation_proto, refuses_jobs_that_no_definition_can_have_caused_by_their_name) {
    auto child = activation_of_run();
    child.add_jobs()->mutable_resolve_child_workflow_execution();
    EXPECT_NE(read(child).refused.find("resolve_child_workflow_execution"), std::string::npos);
    EXPECT_EQ(read(child).value.run_id, "run");
    auto empty = activation_of_run();
    empty.add_jobs();
    EXPECT_NE(read(empty).refused, "");
    auto unresolved = activation_of_run();
    unresolved.add_jobs()->mutable_resolve_activity();
    EXPECT_NE(read(unresolved).refused, "");
    EXPECT_NE(activation_from_proto("no message").refused, "");
}

TEST(activation_proto, an_update_is_rejected_without_the_run) {
    auto a = activation_of_run();
    a.add_jobs()->mutable_do_update()->set_protocol_instance_id("u1");
    const auto r = read(a);
    EXPECT_EQ(r.refused, "");
    EXPECT_TRUE(r.value.jobs.empty());
    WorkflowActivationCompletion c;
    ASSERT_TRUE(c.ParseFromString(completion_to_proto({"run", {}, {}}, r.updates)));
    ASSERT_EQ(c.successful().commands_size(), 1);
    EXPECT_EQ(c.successful().commands(0).update_response().protocol_instance_id(), "u1");
    EXPECT_TRUE(c.successful().commands(0).update_response().has_rejected());
}

TEST(completion_proto, writes_an_activity_with_all_its_options) {
    command::schedule_activity schedule;
    schedule.seq = 4;
    schedule.activity_type = "encode";
    schedule.input = "{}";
    schedule.options.task_queue = "media";
    schedule.options.start_to_close_timeout = 1'500ms;
    schedule.options.heartbeat_timeout = 15s;
    schedule.options.retry.maximum_attempts = 5;
    schedule.options.retry.non_retryable_error_types = {"encoder_crashed"};
    const auto c = written_one(schedule).schedule_activity();
    EXPECT_EQ(c.seq(), 4u);
    EXPECT_EQ(c.activity_id(), "4");
    EXPECT_EQ(c.activity_type(), "encode");
    EXPECT_EQ(c.task_queue(), "media");
    EXPECT_EQ(json_of(c.arguments(0)).value(), "{}");
    EXPECT_EQ(c.start_to_close_timeout().seconds(), 1);
    EXPECT_EQ(c.start_to_close_timeout().nanos(), 500'000'000);
    EXPECT_EQ(c.heartbeat_timeout().seconds(), 15);
    EXPECT_FALSE(c.has_schedule_to_close_timeout()) << "0 is none";
    EXPECT_EQ(c.retry_policy().maximum_attempts(), 5);
    EXPECT_EQ(c.retry_policy().initial_interval().seconds(), 1);
    EXPECT_EQ(c.retry_policy().non_retryable_error_types(0), "encoder_crashed");
    EXPECT_EQ(c.cancellation_type(), coresdk::workflow_commands::WAIT_CANCELLATION_COMPLETED);
    EXPECT_TRUE(c.do_not_eagerly_execute());
}

TEST(completion_proto, writes_each_cancellation_type) {
    namespace wire = coresdk::workflow_commands;
    for (const auto [ours, theirs] : {std::pair{cancellation_type::try_cancel, wire::TRY_CANCEL},
                                      std::pair{cancellation_type::wait_cancellation_completed,
                                                wire::WAIT_CANCELLATION_COMPLETED},
                                      std::pair{cancellation_type::abandon, wire::ABANDON}}) {
        command::schedule_activity schedule;
        schedule.options.cancellation = ours;
        EXPECT_EQ(written_one(schedule).schedule_activity().cancellation_type(), theirs);
    }
}

TEST(completion_proto, writes_timers_cancellations_and_patches) {
    const auto timer = written_one(command::start_timer{2, 2'500ms}).start_timer();
    EXPECT_EQ(timer.seq(), 2u);
    EXPECT_EQ(timer.start_to_fire_timeout().seconds(), 2);
    EXPECT_EQ(timer.start_to_fire_timeout().nanos(), 500'000'000);
    EXPECT_EQ(written_one(command::cancel_timer{2}).cancel_timer().seq(), 2u);
    EXPECT_EQ(written_one(command::request_cancel_activity{5}).request_cancel_activity().seq(), 5u);
    EXPECT_EQ(written_one(command::set_patch_marker{"p"}).set_patch_marker().patch_id(), "p");
}

TEST(completion_proto, writes_the_three_ends_of_a_workflow) {
    const auto done = written_one(command::complete_workflow_execution{"{}"});
    EXPECT_EQ(json_of(done.complete_workflow_execution().result()).value(), "{}");
    const auto failed = written_one(
        command::fail_workflow_execution{failure::application("input_not_video", "because", true)});
    const auto& info = failed.fail_workflow_execution().failure().application_failure_info();
    EXPECT_EQ(info.type(), "input_not_video");
    EXPECT_TRUE(info.non_retryable());
    EXPECT_TRUE(written_one(command::cancel_workflow_execution{}).has_cancel_workflow_execution());
}

TEST(completion_proto, writes_answers_to_queries) {
    const auto good = written_one(command::respond_to_query{"q", "42"}).respond_to_query();
    EXPECT_EQ(good.query_id(), "q");
    EXPECT_EQ(json_of(good.succeeded().response()).value(), "42");
    const auto bad = written_one(command::respond_to_query{
        "q", std::unexpected(failure::application("unknown_query", "no query", true))});
    EXPECT_EQ(bad.respond_to_query().failed().application_failure_info().type(), "unknown_query");
    EXPECT_EQ(bad.respond_to_query().failed().message(), "unknown_query: no query");
}

TEST(completion_proto, a_failed_activation_is_no_success) {
    WorkflowActivationCompletion c;
    ASSERT_TRUE(c.ParseFromString(
        completion_to_proto({"run",
                             {command::start_timer{1, 1s}},
                             failure::application("workflow_task_failed", "bug")})));
    EXPECT_EQ(c.run_id(), "run");
    EXPECT_FALSE(c.has_successful());
    EXPECT_EQ(c.failed().failure().message(), "bug");
    ASSERT_TRUE(c.ParseFromString(refusal_to_proto("other", "why")));
    EXPECT_EQ(c.run_id(), "other");
    EXPECT_EQ(c.failed().failure().message(), "why");
}

}  // namespace
}  // namespace vora::durable
