#pragma once
// Private to the engine: its connection, and the attempts that were given out.

#include "libs/durable/engine_temporal/temporal_channel.hpp"
#include "libs/durable/engine_temporal/temporal_engine.hpp"
#include "libs/durable/engine_temporal/temporal_errors.hpp"

#include <temporal/api/workflowservice/v1/request_response.pb.h>

#include <chrono>
#include <map>

namespace vora::durable {

namespace service = temporal::api::workflowservice::v1;

// What is needed to end an attempt. The worker knows it by a number.
struct given_attempt {
    std::string task_token;
    std::string workflow_id;
    std::string run_id;
    std::string activity_id;
    int maximum_attempts = 0;
    milliseconds initial_interval{1'000};
    std::chrono::steady_clock::time_point over;  // its time is up then, whatever is reported
};

class temporal_engine::state {
 public:
    state(executor e, temporal_engine_options o, obs::logger l, obs::metrics& m);

    // One call; an answer that is not a message of its type is unavailable ("temporal_failed").
    template <class Response, class Request>
    task<result<Response>> ask(const char* method, Request request) {
        request.set_namespace_(options.address.namespace_name);
        auto answer =
            co_await channel.call(method, request.SerializeAsString(), options.call_timeout);
        count(method, answer.code);
        if (answer.code != call_answer::ok) {
            co_return std::unexpected(error_of(answer));
        }
        Response response;
        if (!response.ParseFromString(answer.message)) {
            co_return fail(errc::unavailable, "temporal_failed", "not an answer of Temporal's");
        }
        co_return response;
    }
    void count(const char* method, int code);

    // client: for a call that says the run is not there. Success: it is, so it is closed.
    task<result<void>> is_closed(std::string workflow_id);
    task<std::optional<failure>> end_of(std::string workflow_id, std::string run_id);

    // activity_source
    result<std::optional<activity_task>> take(const std::string& message);
    std::string remember(const service::PollActivityTaskQueueResponse& r);
    void forget_old();
    // It was given to nobody.
    void give_back(const std::string& message);
    task<> unasked(const char* event, task<result<void>> answer);
    task<result<void>> respond_completed(given_attempt a, std::string json);
    task<result<void>> respond_failed(given_attempt a, failure f,
                                      std::optional<milliseconds> retry_after);
    task<result<void>> respond_cancelled(given_attempt a);
    task<result<void>> hand_back(given_attempt a);

    executor ex;
    temporal_engine_options options;
    obs::logger log;
    obs::metrics& metrics;
    temporal_channel channel;
    task_group answers;                          // that nobody waits for
    std::map<std::string, given_attempt> given;  // by the number that is the worker's token
    std::uint64_t counter = 0;
    bool stopping = false;
};

inline std::unexpected<error> engine_stopped() {
    return fail(errc::unavailable, "engine_stopped");
}

inline std::unexpected<error> payload_too_large() {
    return fail(errc::resource_exhausted, "payload_too_large", "pass references, not data");
}

}  // namespace vora::durable
