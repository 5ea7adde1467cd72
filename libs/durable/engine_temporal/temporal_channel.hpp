#pragma once
// One connection to Temporal's frontend: unary calls of its WorkflowService, message bytes in and
// out. gRPC's own threads do the protocol; every call is a coroutine of the loop.

#include "libs/base/async.hpp"
#include "libs/base/clock.hpp"

#include <functional>
#include <memory>
#include <string>

namespace vora::durable {

struct call_answer {
    // The numbers are gRPC's.
    static constexpr int ok = 0;
    static constexpr int cancelled = 1;
    static constexpr int invalid_argument = 3;
    static constexpr int deadline_exceeded = 4;
    static constexpr int not_found = 5;
    static constexpr int already_exists = 6;
    static constexpr int permission_denied = 7;
    static constexpr int resource_exhausted = 8;
    static constexpr int failed_precondition = 9;
    static constexpr int unavailable = 14;
    static constexpr int unauthenticated = 16;

    int code = ok;
    std::string message;  // ok: the message's bytes
    std::string text;     // else: what the server says
    std::string details;  // else: a serialized google.rpc.Status, or empty
};

// Used on the loop of its executor only.
class temporal_channel {
 public:
    // Called when a call whose coroutine was cancelled succeeds nonetheless.
    using late_answer = std::function<void(std::string message)>;

    // Connects with the first call, and again whenever the connection is lost. No TLS.
    temporal_channel(executor ex, const std::string& host_port);
    ~temporal_channel();  // cancels what is open and waits for gRPC to have let go of it
    temporal_channel(const temporal_channel&) = delete;

    // `method` is a literal. A call never takes longer than its deadline; without a connection it
    // fails at once. Cancelling the coroutine cancels the call.
    task<call_answer> call(const char* method, std::string request, milliseconds deadline,
                           late_answer late = {});
    // Every open call ends "cancelled".
    void cancel_all();
    // Waits until no call is open.
    task<> drained();

 private:
    struct state;
    std::shared_ptr<state> state_;
};

}  // namespace vora::durable
