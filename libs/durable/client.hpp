#pragma once
// The workflow engine port, client side. Adapters: engine_embedded, later engine_temporal.
// Thread-safe.

#include "libs/base/clock.hpp"
#include "libs/base/result.hpp"
#include "libs/base/task.hpp"
#include "libs/durable/failure.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace vora::durable {

struct start_request {
    std::string workflow_id;  // e.g. "video-{id}-g1": reuse policy RejectDuplicate, conflict policy
                              // UseExisting
    std::string workflow_type;
    std::string task_queue;
    std::string input;  // JSON, at most payload_bytes_max
};

enum class run_status { running, completed, failed, cancelled, terminated, timed_out };

struct pending_activity {
    std::string type;
    int attempt = 1;
    std::string heartbeat_details;  // JSON of the last heartbeat, or empty
    std::string last_failure_type;
};

struct run_description {
    std::string workflow_id;
    std::string run_id;
    std::string workflow_type;
    run_status status = run_status::running;
    timestamp started;
    std::optional<timestamp> closed;
    std::optional<failure> last_failure;
    std::vector<pending_activity> pending_activities;
};

class client {
 public:
    virtual ~client() = default;
    // Starts the workflow, or finds it: an id that ever ran, in any state, is already_exists
    // ("workflow_already_started"), which a caller with a stable id treats as success.
    // Errors: unavailable (retry with the same id), resource_exhausted ("payload_too_large").
    virtual task<result<std::string>> start(start_request r) = 0;  // run id
    virtual task<result<void>> signal(std::string workflow_id, std::string name,
                                      std::string input) = 0;
    // Answer of a query handler, also of a closed run. not_found, failed_precondition
    // ("unknown_query").
    virtual task<result<std::string>> query(std::string workflow_id, std::string name,
                                            std::string input) = 0;
    // A request: the workflow decides. Success when it is already closed.
    virtual task<result<void>> cancel(std::string workflow_id) = 0;
    // Ends the run at once, without its code. Success when it is already closed.
    virtual task<result<void>> terminate(std::string workflow_id, std::string reason) = 0;
    virtual task<result<run_description>> describe(std::string workflow_id) = 0;
};

}  // namespace vora::durable
