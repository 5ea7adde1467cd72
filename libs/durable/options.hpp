#pragma once
// Names and defaults are Temporal's.

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace vora::durable {

using std::chrono::milliseconds;

// A larger activity or workflow payload is refused: references are passed, not data (RFC-002).
inline constexpr std::size_t payload_bytes_max = 16 * 1024;

struct retry_policy {
    milliseconds initial_interval{1'000};
    double backoff_coefficient = 2.0;
    milliseconds maximum_interval{60'000};
    int maximum_attempts = 0;  // 0 = no limit (schedule_to_close still ends it)
    std::vector<std::string> non_retryable_error_types;
};

enum class cancellation_type {
    try_cancel,                   // ask, and resolve as cancelled at once
    wait_cancellation_completed,  // ask, and resolve when the activity has ended
    abandon,
};

struct activity_options {
    std::string task_queue;
    milliseconds schedule_to_close_timeout{0};  // 0 = none; over all attempts
    milliseconds start_to_close_timeout{0};     // required > 0; one attempt
    milliseconds heartbeat_timeout{0};          // 0 = none
    retry_policy retry;
    cancellation_type cancellation = cancellation_type::wait_cancellation_completed;
};

// A typed activity name: contracts/activities declares them, workflows call them, workers implement
// them.
template <class Input, class Output>
struct activity_type {
    const char* name;
    const char* task_queue;
};

template <class Input>
struct workflow_type {
    const char* name;
    const char* task_queue;
};

}  // namespace vora::durable
