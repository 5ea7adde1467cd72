#pragma once
// Runs workflow definitions for a Temporal server: Temporal's core (Rust, temporal-bridge) keeps
// the histories and speaks with the server, a workflow_run executes each run.

#include "libs/base/result.hpp"
#include "libs/durable/options.hpp"
#include "libs/durable/workflow/workflow.hpp"
#include "libs/obs/log.hpp"
#include "libs/obs/metrics.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace vora::durable {

struct temporal_worker_options {
    std::string address;  // host:port
    std::string name_space = "default";
    std::string task_queue;
    std::string identity;  // shown in histories; empty: process@host
    std::string build_id;  // shown in histories
    std::uint32_t cached_runs_max = 500;
    std::uint32_t tasks_max = 16;  // workflow tasks at once, each with a thread
    // How long a task waits for a process that is gone before another may take it.
    milliseconds sticky_timeout{2'000};
    milliseconds graceful_stop{5'000};
};

// Threads of its own, none of the caller's loop: all functions may be called from any thread.
// No signal is ever delivered to its threads.
class temporal_workflow_worker {
 public:
    temporal_workflow_worker(workflow_registry registry, temporal_worker_options options,
                             obs::logger log, obs::metrics& metrics);
    ~temporal_workflow_worker();
    temporal_workflow_worker(const temporal_workflow_worker&) = delete;

    // Returns at once; connects, and connects again, for as long as it runs.
    result<void> start();
    // Connected and taking tasks; else why not.
    result<void> ready() const;
    // Answers what is being worked on, then ends all threads. Blocks; once.
    void stop();

 private:
    struct state;
    std::unique_ptr<state> state_;
};

// Replays one recorded history (a serialized temporal.api.history.v1.History) through Temporal's
// own checks: an error when the definitions of today would not have done what it records.
result<void> replay_temporal_history(const workflow_registry& registry,
                                     const std::string& workflow_id, const std::string& history);

}  // namespace vora::durable
