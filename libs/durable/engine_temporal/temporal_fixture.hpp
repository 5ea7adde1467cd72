#pragma once
// For tests on a real Temporal server (VORA_TEST_TEMPORAL): an engine, and in place of our workflow
// code a poller that answers workflow tasks by a script. Every box has queues and ids of its own.

#include "libs/durable/engine_temporal/temporal_channel.hpp"
#include "libs/durable/engine_temporal/temporal_engine.hpp"

#include <temporal/api/workflowservice/v1/request_response.pb.h>

#include <functional>
#include <map>
#include <string>

namespace vora::durable {

// What a workflow does. Without an activity it waits for the signal "go" and returns its input.
// Both end "cancelled" when cancellation is asked for, the first when its activity has ended so.
// The query "stage" is answered "waiting".
struct script {
    std::string activity_type;
    std::string input;
    activity_options options;  // the box sets the task queue
    std::string encoding;      // of the input; empty: ours
    std::string query = "\"waiting\"";
};

// What a server says that is there, on a machine that is too busy.
template <class T>
bool is_overloaded(const result<T>& r) {
    return !r &&
           (r.error().reason == "temporal_busy" || r.error().reason == "temporal_timeout" ||
            r.error().reason == "temporal_failed" || r.error().reason == "temporal_unavailable");
}

class temporal_box {
 public:
    temporal_box();
    ~temporal_box();

    static std::string address();  // a test without a server fails with a clear message
    temporal_engine_options options() const;

    template <class T>
    T run(task<T> t) {
        return loop.run_until_done(std::move(t));
    }
    // Looked at from outside the loop, which runs meanwhile.
    bool until(const std::function<bool()>& holds);
    std::string id(const std::string& name) const { return prefix_ + name; }
    std::string workflow_queue() const { return prefix_ + "workflows"; }
    std::string activity_queue() const { return prefix_ + "activities"; }
    // As callers do, it asks again when the server has too much to do just now.
    result<std::string> start(const std::string& name);
    // Starts it with a script, and sees it started.
    void start(const std::string& name, script s);
    run_description describe(const std::string& name);
    // Waits for its end.
    run_description closed(const std::string& name);

    // Answers workflow tasks from now on.
    void serve_workflows();
    // One worker of the activity queue, with everything in `activities`.
    void work(std::size_t concurrency = 4);
    void stop_working();

    event_loop loop;
    obs::metrics metrics;
    std::unique_ptr<temporal_engine> engine;
    activity_registry activities;
    std::map<std::string, script> scripts;  // by name
    temporal_channel raw;

 private:
    task<> poll_workflows();
    task<> answer(temporal::api::workflowservice::v1::PollWorkflowTaskQueueResponse t);
    const script& script_of(const std::string& workflow_id) const;

    std::string prefix_;
    task_group poller_;
    std::unique_ptr<activity_worker> worker_;
};

}  // namespace vora::durable
