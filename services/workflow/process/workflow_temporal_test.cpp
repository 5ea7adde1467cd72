// Our definitions, unchanged, on a real Temporal server; and the same scripts on the embedded
// engine, which must come to the same.

#include "contracts/activities/media.hpp"
#include "contracts/activities/metadata.hpp"
#include "contracts/activities/workflows.hpp"
#include "libs/base/async.hpp"
#include "libs/durable/engine_embedded/test_environment.hpp"
#include "libs/durable/engine_temporal/temporal_channel.hpp"
#include "libs/durable/engine_temporal/temporal_engine.hpp"
#include "libs/durable/engine_temporal/workflow_worker/workflow_worker.hpp"
#include "services/workflow/registry.hpp"

#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <temporal/api/workflowservice/v1/request_response.pb.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>

namespace vora::workflow {
namespace {

using namespace std::chrono_literals;
using durable::failure;
using durable::outcome;

constexpr auto patience = 60s;

// What activities answer, attempt by attempt; then success.
using script = std::map<std::string, std::deque<failure>>;

const std::map<std::string, std::string>& queues() {
    static const std::map<std::string, std::string> all{
        {contracts::probe.name, contracts::probe.task_queue},
        {contracts::encode.name, contracts::encode.task_queue},
        {contracts::publish.name, contracts::publish.task_queue},
        {contracts::cleanup.name, contracts::cleanup.task_queue},
        {contracts::mark_ready.name, contracts::mark_ready.task_queue},
        {contracts::mark_failed.name, contracts::mark_failed.task_queue},
    };
    return all;
}

std::string success_of(const std::string& type) {
    if (type == contracts::probe.name) {
        contracts::probe_facts facts;
        facts.has_video = true;
        facts.width = facts.coded_width = 1280;
        facts.height = facts.coded_height = 720;
        facts.fps = facts.fps_nominal = 25;
        facts.duration_s = facts.video_duration_s = facts.video_end_s = 12;
        facts.video_packets = 300;
        facts.video_stream_index = 0;
        return nlohmann::json(facts).dump();
    }
    if (type == contracts::encode.name) {
        contracts::encode_result encoded;
        encoded.renditions.resize(2);
        encoded.duration_s = 12;
        return nlohmann::json(encoded).dump();
    }
    return "{}";
}

contracts::ingest_input input() {
    contracts::ingest_input in;
    in.video_id = "id";
    in.source_key = "upload/original.mp4";
    in.output_prefix = "id/";
    in.retry_budget_s = 60;
    return in;
}

// What both engines are compared by.
struct course {
    std::string attempts;  // types, in order
    durable::run_status status = durable::run_status::running;
    std::string failure_type;
    std::string failed_code;  // that mark_failed was told
    bool operator==(const course&) const = default;
};

std::ostream& operator<<(std::ostream& out, const course& c) {
    return out << "{" << c.attempts << " | " << static_cast<int>(c.status) << " " << c.failure_type
               << " " << c.failed_code << "}";
}

// The activities of one run, on whichever engine.
struct actors {
    explicit actors(script s) : left(std::move(s)) {}

    durable::activity_function play(std::string type) {
        return [this, type](durable::activity_context& ctx,
                            std::string in) -> task<outcome<std::string>> {
            seen.attempts += (seen.attempts.empty() ? "" : " ") + type;
            if (type == contracts::mark_failed.name) {
                seen.failed_code = nlohmann::json::parse(in).value("code", "");
            }
            if (type == blocks_in) {
                on_block();
                while (!ctx.is_cancelled()) {
                    ctx.heartbeat("{}");
                    co_await sleep_for(20ms);
                }
                co_return std::unexpected(failure::cancelled());
            }
            auto& fails = left[type];
            if (fails.empty()) {
                co_return success_of(type);
            }
            auto f = fails.front();
            fails.pop_front();
            co_return std::unexpected(f);
        };
    }

    script left;
    std::string blocks_in;  // this activity runs until it is cancelled
    std::function<void()> on_block;
    course seen;
};

void close(course& c, const durable::run_description& d) {
    c.status = d.status;
    c.failure_type = d.last_failure ? d.last_failure->root().type : "";
}

course on_embedded(script s) {
    actors a(std::move(s));
    durable::workflow_test_environment env(registry());
    for (const auto& [type, queue] : queues()) {
        env.on_raw(type, queue, a.play(type));
    }
    env.start(contracts::ingest_video, input());
    (void)env.result();
    close(a.seen, env.describe());
    return a.seen;
}

std::string server_address() {
    const char* address = std::getenv("VORA_TEST_TEMPORAL");
    if (address == nullptr) {
        throw std::runtime_error("VORA_TEST_TEMPORAL names no Temporal server (tools/stack)");
    }
    return address;
}

// A video id and a workflow queue of its own; one activity worker for each queue of the contracts.
class on_temporal {
 public:
    explicit on_temporal(script s) : played(std::move(s)) {
        durable::temporal_engine_options options;
        options.address.host_port = server_address();
        engine = std::make_unique<durable::temporal_engine>(loop.executor(), options, obs::logger(),
                                                            metrics);
        static int number = 0;
        id = "workflow-test-" + std::to_string(getpid()) + "-" + std::to_string(++number) + "-" +
             std::to_string(std::chrono::system_clock::now().time_since_epoch().count());
        workflow_queue = id;
    }
    ~on_temporal() {
        for (auto& w : workers) {
            loop.run_until_done(w->stop());
        }
        loop.run_until_done(engine->stop());
    }

    std::unique_ptr<durable::temporal_workflow_worker> new_workflow_worker() {
        durable::temporal_worker_options options;
        options.address = server_address();
        options.task_queue = workflow_queue;
        auto worker = std::make_unique<durable::temporal_workflow_worker>(registry(), options,
                                                                          obs::logger(), metrics);
        EXPECT_TRUE(worker->start());
        return worker;
    }
    void start() {
        std::set<std::string> names;
        for (const auto& [type, queue] : queues()) {
            names.insert(queue);
        }
        for (const auto& queue : names) {
            durable::activity_registry registry;
            for (const auto& [type, of] : queues()) {
                if (of == queue) {
                    registry.add(type, played.play(type));
                }
            }
            workers.push_back(std::make_unique<durable::activity_worker>(
                loop.executor(), *engine, std::move(registry),
                durable::activity_worker_options{queue, 1, 5'000ms}, obs::logger()));
            workers.back()->start();
        }
        auto started = loop.run_until_done(engine->start(
            {id, contracts::ingest_video.name, workflow_queue, nlohmann::json(input()).dump()}));
        ASSERT_TRUE(started) << started.error().detail;
    }
    // The first attempt of an activity has begun.
    void wait_for_an_attempt() {
        const auto until = std::chrono::steady_clock::now() + patience;
        while (played.seen.attempts.empty() && std::chrono::steady_clock::now() < until) {
            loop.run_until_done(sleep_for(20ms));
        }
    }
    std::string history() {
        namespace api = temporal::api::workflowservice::v1;
        durable::temporal_channel channel(loop.executor(), server_address());
        api::GetWorkflowExecutionHistoryRequest request;
        request.set_namespace_("default");
        request.mutable_execution()->set_workflow_id(id);
        auto answer = loop.run_until_done(
            channel.call("GetWorkflowExecutionHistory", request.SerializeAsString(), 10'000ms));
        api::GetWorkflowExecutionHistoryResponse response;
        EXPECT_EQ(answer.code, durable::call_answer::ok) << answer.text;
        EXPECT_TRUE(response.ParseFromString(answer.message));
        return response.history().SerializeAsString();
    }
    course end() {
        const auto until = std::chrono::steady_clock::now() + patience;
        for (;;) {
            auto d = loop.run_until_done(engine->describe(id));
            if (d && d->status != durable::run_status::running) {
                close(played.seen, *d);
                return played.seen;
            }
            if (std::chrono::steady_clock::now() > until) {
                ADD_FAILURE() << "the workflow did not end";
                return played.seen;
            }
            loop.run_until_done(sleep_for(50ms));
        }
    }

    event_loop loop;
    obs::metrics metrics;
    std::unique_ptr<durable::temporal_engine> engine;
    std::vector<std::unique_ptr<durable::activity_worker>> workers;
    actors played;
    std::string id;
    std::string workflow_queue;
};

// vora-workflow, as a process.
class child {
 public:
    child() {
        std::string program = VORA_WORKFLOW_PROGRAM;
        std::string engine = "--workflow.engine=temporal://" + server_address() + "/default";
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

course run_on_temporal(script s) {
    on_temporal t(std::move(s));
    const auto worker = t.new_workflow_worker();
    t.start();
    return t.end();
}

TEST(workflow_on_temporal, a_video_becomes_ready_as_on_the_embedded_engine) {
    const auto there = run_on_temporal({});
    EXPECT_EQ(there.attempts, "probe encode publish mark_ready");
    EXPECT_EQ(there.status, durable::run_status::completed);
    EXPECT_EQ(there, on_embedded({}));
}

TEST(workflow_on_temporal, a_refused_input_is_marked_failed_as_on_the_embedded_engine) {
    const script refused{{"probe", {failure::application("input_not_video", "because", true)}}};
    const auto there = run_on_temporal(refused);
    EXPECT_EQ(there.attempts, "probe mark_failed");
    EXPECT_EQ(there.failed_code, "input_not_video");
    EXPECT_EQ(there, on_embedded(refused));
}

TEST(workflow_on_temporal, retries_and_compensation_come_as_on_the_embedded_engine) {
    const auto crash = failure::application("encoder_crashed", "signal 9");
    const script crashes{{"probe", {failure::application("temporary", "once")}},
                         {"encode", {crash, crash, crash}}};
    const auto there = run_on_temporal(crashes);
    EXPECT_EQ(there.attempts, "probe probe encode encode encode cleanup mark_failed");
    EXPECT_EQ(there.failed_code, "encoder_crashed");
    EXPECT_EQ(there, on_embedded(crashes));
}

TEST(workflow_on_temporal, a_cancelled_run_stops_its_activity_and_cleans_up) {
    on_temporal t({});
    const auto worker = t.new_workflow_worker();
    bool blocked = false;
    t.played.blocks_in = "encode";
    t.played.on_block = [&] { blocked = true; };
    t.start();
    for (const auto until = std::chrono::steady_clock::now() + patience;
         !blocked && std::chrono::steady_clock::now() < until;) {
        t.loop.run_until_done(sleep_for(20ms));
    }
    ASSERT_TRUE(blocked);
    ASSERT_TRUE(t.loop.run_until_done(t.engine->cancel(t.id)));
    const auto there = t.end();
    EXPECT_EQ(there.attempts, "probe encode cleanup mark_failed");
    EXPECT_EQ(there.failed_code, "cancelled");
    EXPECT_EQ(there.status, durable::run_status::cancelled);
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

TEST(workflow_on_temporal, a_run_survives_the_sigkill_of_its_process) {
    on_temporal t({{"probe", {failure::application("temporary", "once")}}});
    t.workflow_queue = contracts::ingest_video.task_queue;
    child first;
    t.start();
    t.wait_for_an_attempt();
    first.end(SIGKILL);
    child second;
    EXPECT_EQ(t.end().attempts, "probe probe encode publish mark_ready");
    const int status = second.end(SIGTERM);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

TEST(workflow_on_temporal, what_a_server_recorded_replays_and_other_code_does_not) {
    on_temporal t({{"encode", {failure::application("encoder_crashed", "signal 9")}}});
    {
        const auto worker = t.new_workflow_worker();
        t.start();
        EXPECT_EQ(t.end().attempts, "probe encode encode publish mark_ready");
    }
    const auto history = t.history();
    const auto today = durable::replay_temporal_history(registry(), t.id, history);
    EXPECT_TRUE(today) << today.error().detail;
    durable::workflow_registry changed;
    changed.add(contracts::ingest_video.name,
                [](durable::context& ctx, std::string) -> durable::workflow<outcome<std::string>> {
                    co_await ctx.sleep(1s);
                    co_return "{}";
                });
    const auto other = durable::replay_temporal_history(changed, t.id, history);
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().reason, "history_does_not_replay");
}

}  // namespace
}  // namespace vora::workflow
