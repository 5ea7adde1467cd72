#pragma once
// Temporal as our workflow engine, without its core library: durable::client for those who start
// and watch workflows, activity_source for workers. Workflow code runs elsewhere
// (temporal_workflow_worker).
//
// Where it differs from the embedded engine: a workflow's id is known for as long as the namespace
// keeps closed runs; a start with an unknown type succeeds and waits for a worker that knows it; a
// query needs a worker that runs.
//
// Used on the loop of its executor only. Stop the workers before the engine: a worker that stops
// hands its attempts back.

#include "libs/base/async.hpp"
#include "libs/durable/client.hpp"
#include "libs/durable/engine_temporal/temporal_address.hpp"
#include "libs/durable/worker/activity.hpp"
#include "libs/obs/log.hpp"
#include "libs/obs/metrics.hpp"

#include <memory>
#include <optional>
#include <string>

namespace vora::durable {

struct temporal_engine_options {
    temporal_address address;
    std::string identity;  // shown in histories; empty: process@host
    milliseconds call_timeout{10'000};
    // Longer than the server lets a poll wait (60 s), so that it is always the server who ends it:
    // a task that it gives to a poll which is gone is lost until it times out.
    milliseconds poll_timeout{70'000};
};

class temporal_engine final : public client, public activity_source {
 public:
    temporal_engine(executor ex, temporal_engine_options options, obs::logger log,
                    obs::metrics& metrics);
    ~temporal_engine() override;  // stop() first

    // For readiness: the server answers and the namespace is there. unavailable, with the reason.
    task<result<void>> check();
    // Ends open calls and polls; a task that one of them still got is handed back. Calls after it
    // are unavailable ("engine_stopped").
    task<> stop();

    // A workflow's id that is open or kept in history is already_exists.
    task<result<std::string>> start(start_request r) override;
    task<result<void>> signal(std::string workflow_id, std::string name,
                              std::string input) override;
    // unavailable also when no worker answers within the call's timeout.
    task<result<std::string>> query(std::string workflow_id, std::string name,
                                    std::string input) override;
    task<result<void>> cancel(std::string workflow_id) override;
    task<result<void>> terminate(std::string workflow_id, std::string reason) override;
    task<result<run_description>> describe(std::string workflow_id) override;

    task<result<std::optional<activity_task>>> poll(std::string task_queue) override;
    task<result<bool>> heartbeat(std::string task_token, std::string details) override;
    task<result<void>> complete(std::string task_token, outcome<std::string> result) override;

 private:
    class state;
    std::unique_ptr<state> state_;
};

}  // namespace vora::durable
