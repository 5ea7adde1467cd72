// Our definitions, unchanged, on a real Temporal server; and the same scripts on the embedded
// engine, which must come to the same.

#include "libs/durable/options.hpp"
#include "services/workflow/process/temporal_runs_fixture.hpp"

#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

namespace vora::workflow {
namespace {

using durable::failure;

// vora-workflow, as a process.
class child {
 public:
    child() {
        std::string program = VORA_WORKFLOW_PROGRAM;
        std::string engine = "--workflow.engine=temporal://" + temporal_server() + "/default";
        char* const arguments[] = {program.data(), engine.data(), nullptr};
        EXPECT_EQ(posix_spawn(&pid_, program.c_str(), nullptr, nullptr, arguments, environ), 0);
    }
    ~child() {
        if (pid_ > 0) {
            end(SIGKILL);
        }
    }
    child(const child&) = delete;

    // Its status, as waitpid has it.
    int end(int signal) {
        int status = 0;
        kill(pid_, signal);
        EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
        pid_ = -1;
        return status;
    }

 private:
    pid_t pid_ = -1;
};

// Its history is kept under the name.
course run_on_temporal(const std::string& name, script s) {
    on_temporal t(std::move(s));
    const auto worker = t.new_workflow_worker();
    t.start();
    auto seen = t.end();
    t.record(name);
    return seen;
}

TEST(workflow_on_temporal, a_video_becomes_ready_as_on_the_embedded_engine) {
    const auto there = run_on_temporal("ingest_ready_1", {});
    EXPECT_EQ(there.attempts, "probe encode publish mark_ready");
    EXPECT_EQ(there.status, durable::run_status::completed);
    EXPECT_EQ(there, on_embedded({}).seen);
}

TEST(workflow_on_temporal, a_refused_input_is_marked_failed_as_on_the_embedded_engine) {
    const script refused{{"probe", {failure::application("input_not_video", "because", true)}}};
    const auto there = run_on_temporal("ingest_refused_1", refused);
    EXPECT_EQ(there.attempts, "probe mark_failed");
    EXPECT_EQ(there.failed_code, "input_not_video");
    EXPECT_EQ(there, on_embedded(refused).seen);
}

TEST(workflow_on_temporal, retries_and_compensation_come_as_on_the_embedded_engine) {
    const auto crash = failure::application("encoder_crashed", "signal 9");
    const script crashes{{"probe", {failure::application("temporary", "once")}},
                         {"encode", {crash, crash, crash}}};
    const auto there = run_on_temporal("ingest_compensated_1", crashes);
    EXPECT_EQ(there.attempts, "probe probe encode encode encode cleanup mark_failed");
    EXPECT_EQ(there.failed_code, "encoder_crashed");
    EXPECT_EQ(there, on_embedded(crashes).seen);
}

TEST(workflow_on_temporal, a_crash_and_a_store_that_was_away_come_as_on_the_embedded_engine) {
    const auto away = failure::application("storage_unavailable", "the object store said nothing");
    const script bumpy{{"probe", {away}},
                       {"encode", {failure::application("encoder_crashed", "signal 9")}},
                       {"publish", {away}}};
    const auto there = run_on_temporal("ingest_retried_1", bumpy);
    EXPECT_EQ(there.attempts, "probe probe encode encode publish publish mark_ready");
    EXPECT_EQ(there.status, durable::run_status::completed);
    EXPECT_EQ(there, on_embedded(bumpy).seen);
}

TEST(workflow_on_temporal, a_cancelled_run_stops_its_activity_and_cleans_up) {
    on_temporal t({});
    const auto worker = t.new_workflow_worker();
    bool blocked = false;
    t.played.blocks_in = "encode";
    t.played.on_block = [&] { blocked = true; };
    t.start();
    ASSERT_TRUE(t.until([&] { return blocked; }));
    ASSERT_TRUE(t.until([&] { return t.loop.run_until_done(t.engine->cancel(t.id)).has_value(); }));
    const auto there = t.end();
    EXPECT_EQ(there.attempts, "probe encode cleanup mark_failed");
    EXPECT_EQ(there.failed_code, "cancelled");
    EXPECT_EQ(there.status, durable::run_status::cancelled);
    EXPECT_EQ(there, on_embedded({}, "encode").seen);
    t.record("ingest_cancelled_1");
}

TEST(workflow_on_temporal, another_worker_goes_on_where_one_has_stopped) {
    on_temporal t({{"probe", {failure::application("temporary", "once")}}});
    auto first = t.new_workflow_worker();
    t.start();
    t.wait_for_an_attempt();
    first->stop();
    const auto second = t.new_workflow_worker();
    EXPECT_EQ(t.end().attempts, "probe probe encode publish mark_ready");
}

// The task that the first one was given times out, then the second one replays.
TEST(workflow_on_temporal, a_run_survives_the_sigkill_of_its_process) {
    on_temporal t({{"probe", {failure::application("temporary", "once")}}});
    t.workflow_queue = contracts::ingest_video.task_queue;
    child first;
    t.start();
    t.wait_for_an_attempt();
    first.end(SIGKILL);
    child second;
    EXPECT_EQ(t.end().attempts, "probe probe encode publish mark_ready");
    t.record("ingest_workflow_killed_1");
    const int status = second.end(SIGTERM);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

TEST(workflow_on_temporal, a_deletion_is_never_given_up) {
    on_temporal t({{"cleanup", {failure::application("storage_unavailable", "away")}}});
    const auto worker = t.new_workflow_worker();
    t.start_deletion();
    EXPECT_EQ(t.end().attempts, "stop_ingest cleanup cleanup delete_uploads finish_delete");
    t.record("delete_video_1");
}

// One that takes a task and never answers: its heartbeat is missed after 15 s, which is too long
// for every day (tests/e2e/test_temporal.py has a worker that stands still). For recording.
TEST(workflow_on_temporal, DISABLED_an_encode_begins_again_when_its_worker_was_killed) {
    on_temporal t({});
    const auto worker = t.new_workflow_worker();
    t.start({"media"});
    t.take_and_forget("media");
    t.serve("media");
    EXPECT_EQ(t.end().attempts, "probe encode publish mark_ready");
    t.record("ingest_worker_killed_1");
}

}  // namespace
}  // namespace vora::workflow
