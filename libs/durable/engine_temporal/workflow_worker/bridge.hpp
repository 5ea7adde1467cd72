#pragma once
// Owners for what temporal_bridge.h hands out. All of it blocks: for threads of one's own.

#include "libs/base/result.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace vora::durable::bridge {

struct worker_options {
    std::string name_space;
    std::string task_queue;
    std::string build_id;
    std::uint32_t cached_runs_max = 600;
    std::uint32_t tasks_max = 16;
    std::uint32_t polls_max = 4;
    std::chrono::milliseconds sticky_timeout{2'000};
    std::chrono::milliseconds graceful_stop{5'000};
};

// Core's threads. The calling thread's signal mask becomes theirs; it outlives its workers.
class runtime {
 public:
    static result<std::shared_ptr<runtime>> make(const std::string& log_filter,
                                                 std::uint32_t threads);
    ~runtime();
    runtime(const runtime&) = delete;

    // What core has logged since the last call.
    void take_logs(const std::function<void(std::string_view level, std::string_view text)>& line);

 private:
    friend class core_worker;
    runtime() = default;
    struct handle;
    std::unique_ptr<handle> handle_;
};

// One connection to a server with one worker on it, or a worker that replays one history.
class core_worker {
 public:
    // unavailable: the server is away, or refuses; the text says why.
    static result<std::unique_ptr<core_worker>> connect(std::shared_ptr<runtime> rt,
                                                        const std::string& address,
                                                        const std::string& identity,
                                                        const worker_options& options);
    // history: a serialized temporal.api.history.v1.History.
    static result<std::unique_ptr<core_worker>> replay(std::shared_ptr<runtime> rt,
                                                       const std::string& workflow_id,
                                                       const std::string& history,
                                                       const worker_options& options);
    // Waits until everything of it has ended. Every activation was answered and poll() said
    // nullopt.
    ~core_worker();
    core_worker(const core_worker&) = delete;

    // The next WorkflowActivation; nullopt after shut_down() when nothing is left to answer.
    // An error is final: core has begun to shut down. One caller at a time.
    result<std::optional<std::string>> poll();
    // A WorkflowActivationCompletion. Any number of callers.
    result<void> complete(const std::string& completion);
    void evict(const std::string& run_id);
    void shut_down();

 private:
    core_worker() = default;
    struct handle;
    std::unique_ptr<handle> handle_;
};

}  // namespace vora::durable::bridge
