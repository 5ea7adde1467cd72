#pragma once
// The workflow engine of `vora up` and of tests: durable::client for those who start and watch
// workflows, activity_source for workers, and inside it the worker that drives the workflow
// definitions.
//
// Everything is in one SQLite file. A change of a run (what arrived, the commands it led to, what
// is pending now) is one transaction; nobody is told of anything that is not committed. At start
// every open run is built again from its history. Attempts that were running when the process died
// are tried again at once
// ("worker_lost"): no worker of this engine outlives it. Features go as far as Vora's workflows
// need: no child workflows, continue-as-new, updates, or local activities.
//
// Used on the loop of its executor only. Stop the workers before the engine: a worker that stops
// hands its attempts back.

#include "libs/base/async.hpp"
#include "libs/base/clock.hpp"
#include "libs/durable/client.hpp"
#include "libs/durable/worker/activity.hpp"
#include "libs/durable/workflow/workflow.hpp"
#include "libs/obs/log.hpp"
#include "libs/obs/metrics.hpp"

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace vora::durable {

struct embedded_engine_options {
    std::string db_path;  // ":memory:" for tests
    std::size_t cached_runs_max =
        100;  // interpreters kept between activations; others are replayed
    std::size_t open_runs_max = 10'000;
    milliseconds poll_timeout{20'000};  // poll() answers without a task after this
    std::chrono::hours retention{24 *
                                 30};  // histories of closed runs; their ids stay known for good
    int lost_attempts_max =
        5;  // of one activity: it kills the process, then it fails "worker_lost"
};

// Newest first. A page is followed by the one after its last run.
struct run_query {
    std::optional<run_status> status;
    std::string id_prefix;  // of the workflow id; empty: all
    struct position {
        timestamp started;
        std::string workflow_id;
    };
    std::optional<position> after;
    std::size_t count_max = 50;
};

class embedded_engine final : public client, public activity_source {
 public:
    embedded_engine(executor ex, blocking_pool& pool, const clock_source& clock,
                    workflow_registry registry, embedded_engine_options options, obs::logger log,
                    obs::metrics& metrics);
    ~embedded_engine() override;

    // Opens the file and resumes the open runs. unavailable ("workflow_store_failed").
    task<result<void>> start();
    // Commits what was begun and closes the file. Calls after it are unavailable
    // ("engine_stopped").
    task<> stop();
    // For tests: ends as if the process had died now. Nothing is written any more.
    task<> abandon();

    task<result<std::string>> start(start_request r) override;
    task<result<void>> signal(std::string workflow_id, std::string name,
                              std::string input) override;
    task<result<std::string>> query(std::string workflow_id, std::string name,
                                    std::string input) override;
    task<result<void>> cancel(std::string workflow_id) override;
    task<result<void>> terminate(std::string workflow_id, std::string reason) override;
    task<result<run_description>> describe(std::string workflow_id) override;
    // Open and closed ones, without their pending activities.
    task<result<std::vector<run_description>>> list(run_query q);
    // The history as JSON, for replay_history (history.hpp).
    task<result<std::string>> history(std::string workflow_id);

    task<result<std::optional<activity_task>>> poll(std::string task_queue) override;
    task<result<bool>> heartbeat(std::string task_token, std::string details) override;
    task<result<void>> complete(std::string task_token, outcome<std::string> result) override;

    // Virtual time (test_environment.hpp). Looks at the clock now instead of within a second.
    void clock_changed();
    // When something becomes due by itself: a timer, a retry, a timeout.
    std::optional<timestamp> next_deadline() const;
    // Nothing is under way that does not wait for the clock or the outside. Activities waiting in
    // queues other than `served` wait for the outside, and so do running attempts whose task tokens
    // are in `held`.
    bool settled(const std::set<std::string>& served, const std::set<std::string>& held) const;

 private:
    class state;
    std::unique_ptr<state> state_;
};

}  // namespace vora::durable
