#pragma once
// The history of a run, and how activations come out of it. An activation is what arrived between
// two workflow_task_completed events; the events right behind one are the commands the definition
// gave.
//
//   started(1) | workflow_task_completed(2) activity_task_scheduled(3) | activity_task_completed(4)
//              | workflow_task_completed(5) workflow_execution_completed(6)

#include "libs/base/clock.hpp"
#include "libs/base/result.hpp"
#include "libs/durable/failure.hpp"
#include "libs/durable/options.hpp"
#include "libs/durable/workflow/run.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vora::durable {

enum class event_type {
    // what arrives
    workflow_execution_started,
    workflow_execution_signaled,
    workflow_execution_cancel_requested,
    workflow_execution_terminated,
    timer_fired,
    activity_task_completed,
    activity_task_failed,
    activity_task_timed_out,
    activity_task_canceled,
    // the end of an activation
    workflow_task_completed,
    // commands
    timer_started,
    timer_canceled,
    activity_task_scheduled,
    activity_task_cancel_requested,
    marker_recorded,
    workflow_execution_completed,
    workflow_execution_failed,
    workflow_execution_canceled,
};

std::string_view to_string(event_type t);
std::optional<event_type> event_type_from(std::string_view text);
bool is_command(event_type t);

// One shape for all types; what a type does not use is empty.
struct history_event {
    std::int64_t id = 0;
    event_type type = event_type::workflow_task_completed;
    timestamp time;
    std::uint32_t seq = 0;     // of a timer or an activity
    std::uint64_t seed = 0;    // started
    std::string name;          // workflow, activity or signal type, patch, workflow id
    std::string workflow_id;   // started
    std::string payload;       // input or result
    milliseconds duration{0};  // timer_started
    std::optional<failure> cause;
    std::optional<activity_options> options;
};

// All but id, type and time, as JSON.
std::string attributes_to_json(const history_event& e);
result<history_event> event_from(std::int64_t id, std::string_view type, timestamp time,
                                 const std::string& attributes);
std::string failure_to_json(const failure& f);
result<failure> failure_from_json(const std::string& text);
std::string options_to_json(const activity_options& o);
result<activity_options> options_from_json(const std::string& text);

// The activation for what arrived. `commands_to_come` are the command events that follow it in the
// history (patch markers among them are announced), empty when live.
activation make_activation(const std::string& run_id, timestamp time, bool replaying,
                           std::span<const history_event> arrived,
                           std::span<const history_event> commands_to_come,
                           std::int64_t history_length);
// The event of a command; nullopt for answers to queries. id and time are the caller's.
std::optional<history_event> event_of(const workflow_command& c);

struct replayed_run {
    std::unique_ptr<workflow_run> run;
    std::vector<history_event> undelivered;  // arrived after the last workflow_task_completed
    std::int64_t last_event_id = 0;
    timestamp last_task_time;
};

// Runs the definition against its history. failed_precondition: "nondeterminism" (the commands do
// not match the history) or "workflow_task_failed" (it threw).
result<replayed_run> replay(const workflow_registry& registry, workflow_run::log_sink log,
                            const std::string& run_id, std::span<const history_event> history);

// A history in its exported form (embedded_engine::history): tests keep some in histories/ and
// replay them against today's definitions.
std::string history_to_json(std::span<const history_event> history);
result<std::vector<history_event>> history_from_json(const std::string& text);
result<void> replay_history(const workflow_registry& registry, const std::string& exported);

}  // namespace vora::durable
