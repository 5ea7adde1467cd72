#pragma once
// What goes into a workflow_run and what comes out. Names and meaning are those of Temporal's core
// (coresdk.workflow_activation, coresdk.workflow_commands), so that core can drive the same runs.

#include "libs/base/clock.hpp"
#include "libs/durable/failure.hpp"
#include "libs/durable/options.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace vora::durable {

namespace job {

struct initialize_workflow {
    std::string workflow_id;
    std::string workflow_type;
    std::string input;
    std::uint64_t randomness_seed = 0;
};
struct fire_timer {
    std::uint32_t seq = 0;
};
struct update_random_seed {
    std::uint64_t randomness_seed = 0;
};
struct query_workflow {
    std::string query_id;
    std::string query_type;
    std::string input;
};
struct cancel_workflow {};
struct signal_workflow {
    std::string signal_name;
    std::string input;
};
struct resolve_activity {
    std::uint32_t seq = 0;
    outcome<std::string> result;
};
struct notify_has_patch {
    std::string patch_id;
};
struct remove_from_cache {
    std::string message;
};

}  // namespace job

using activation_job =
    std::variant<job::initialize_workflow, job::fire_timer, job::update_random_seed,
                 job::query_workflow, job::cancel_workflow, job::signal_workflow,
                 job::resolve_activity, job::notify_has_patch, job::remove_from_cache>;

// Queries come in an activation of their own, and so does remove_from_cache. The other jobs come in
// the order: initialize, patches, seed, signals, the rest as it happened.
struct activation {
    std::string run_id;
    vora::timestamp timestamp;
    bool is_replaying = false;
    std::int64_t history_length = 0;
    std::vector<activation_job> jobs;
};

namespace command {

struct start_timer {
    std::uint32_t seq = 0;
    milliseconds start_to_fire_timeout{0};
};
struct cancel_timer {
    std::uint32_t seq = 0;
};
struct schedule_activity {
    std::uint32_t seq = 0;
    std::string activity_type;
    std::string input;
    activity_options options;
};
// Sent for every cancellation type: what it means is the engine's part.
struct request_cancel_activity {
    std::uint32_t seq = 0;
};
struct complete_workflow_execution {
    std::string result;
};
struct fail_workflow_execution {
    durable::failure failure;
};
struct cancel_workflow_execution {};
struct set_patch_marker {
    std::string patch_id;
};
struct respond_to_query {
    std::string query_id;
    outcome<std::string> answer;
};

}  // namespace command

using workflow_command =
    std::variant<command::start_timer, command::cancel_timer, command::schedule_activity,
                 command::request_cancel_activity, command::complete_workflow_execution,
                 command::fail_workflow_execution, command::cancel_workflow_execution,
                 command::set_patch_marker, command::respond_to_query>;

// One terminal command at most, and it is the last. Sequence numbers count from 1, timers and
// activities each for themselves.
struct completion {
    std::string run_id;
    std::vector<workflow_command> commands;
    // Set: the definition threw something that is not a workflow failure. Nothing of the activation
    // counts; the run must be built again from history.
    std::optional<failure> activation_failure;
};

}  // namespace vora::durable
