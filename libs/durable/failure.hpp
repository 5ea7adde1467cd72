#pragma once
// Failures as Temporal has them: a kind, a stable type that retry policies match, a cause chain.

#include <expected>
#include <memory>
#include <string>

namespace vora::durable {

struct failure {
    enum class kind { application, cancelled, timeout, activity, terminated };

    kind what = kind::application;
    std::string type;     // application: the stable code, e.g. "input_not_video"; timeout:
                          // "start_to_close", "heartbeat", "schedule_to_close"
    std::string message;  // for people
    bool non_retryable = false;
    std::string details;  // JSON or empty
    std::shared_ptr<const failure> cause;

    static failure application(std::string type, std::string message, bool non_retryable = false);
    static failure cancelled();
    // type: "start_to_close", "heartbeat" or "schedule_to_close".
    static failure timeout(std::string type);
    // What a workflow sees of an activity that did not succeed.
    static failure activity(std::string activity_type, failure cause);
    // The innermost failure of the chain: what really happened, below the wrapping activity
    // failure.
    const failure& root() const;
    bool is_cancelled() const { return root().what == kind::cancelled; }
};

template <class T = void>
using outcome = std::expected<T, failure>;

}  // namespace vora::durable
