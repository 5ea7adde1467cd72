#pragma once
// For tests: our definitions, unchanged, on a real Temporal server (VORA_TEST_TEMPORAL), with
// activities that follow a script; and the same script on the embedded engine.

#include "contracts/activities/workflows.hpp"
#include "libs/base/async.hpp"
#include "libs/durable/engine_temporal/temporal_engine.hpp"
#include "libs/durable/engine_temporal/workflow_worker/workflow_worker.hpp"
#include "libs/durable/worker/activity.hpp"
#include "libs/obs/metrics.hpp"

#include <chrono>
#include <deque>
#include <functional>
#include <iosfwd>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace vora::workflow {

// What activities answer, attempt by attempt; then success.
using script = std::map<std::string, std::deque<durable::failure>>;

// What both engines are compared by.
struct course {
    std::string attempts;  // types, in order
    durable::run_status status = durable::run_status::running;
    std::string failure_type;
    std::string failed_code;  // that mark_failed was told
    bool operator==(const course&) const = default;
};
std::ostream& operator<<(std::ostream& out, const course& c);

// The activities of one run, on whichever engine.
struct actors {
    explicit actors(script s) : left(std::move(s)) {}
    durable::activity_function play(std::string type);

    script left;
    std::map<std::string, std::string> answers;  // of successes, by type; else of a short video
    std::string blocks_in;                       // this activity runs until it is cancelled
    std::function<void()> on_block;
    course seen;
};

// Activity -> its queue, all that the definitions call.
const std::map<std::string, std::string>& activity_queues();
contracts::ingest_input ingest_of_one_video();
// Answers as for a video of three hours, in as many renditions as there are.
std::map<std::string, std::string> answers_of_a_long_video();

struct embedded_run {
    course seen;
    std::string history;
};
// cancelled_in: this activity runs until it is cancelled, which it is once it has begun.
embedded_run on_embedded(script s, const std::string& cancelled_in = {},
                         std::map<std::string, std::string> answers = {},
                         const contracts::ingest_input& input = ingest_of_one_video());

// A video id and a workflow queue of its own; one activity worker for each queue of the contracts.
class on_temporal {
 public:
    explicit on_temporal(script s);
    ~on_temporal();
    on_temporal(const on_temporal&) = delete;

    std::unique_ptr<durable::temporal_workflow_worker> new_workflow_worker();
    // The queues of `unserved` get no worker yet.
    void start(const std::set<std::string>& unserved = {});
    void start_deletion();
    void serve(const std::string& queue);
    // Takes a task of the queue, as a worker that is killed then.
    void take_and_forget(const std::string& queue);
    bool until(const std::function<bool()>& holds);
    // The first attempt of an activity has begun.
    void wait_for_an_attempt();
    course end();
    // Its history must replay with the definitions of today. VORA_RECORD_HISTORIES=1 writes it to
    // ../histories/temporal/NAME.json if there is none; old ones are never written again.
    void record(const std::string& name);
    // As temporal.api.history.v1.History, serialized.
    std::string history();

    event_loop loop;
    obs::metrics metrics;
    std::unique_ptr<durable::temporal_engine> engine;
    std::vector<std::unique_ptr<durable::activity_worker>> workers;
    actors played;
    std::string id;
    std::string workflow_queue;

 private:
    void begin(const std::string& type, const std::string& input,
               const std::set<std::string>& unserved);
};

// Host and port of the server; throws where there is none.
std::string temporal_server();

}  // namespace vora::workflow
