#pragma once
// Activities: the code that may do I/O. At least once: everything in one must be idempotent.

#include "libs/base/async.hpp"
#include "libs/durable/failure.hpp"
#include "libs/durable/options.hpp"
#include "libs/obs/log.hpp"

#include <nlohmann/json.hpp>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace vora::durable {

struct activity_info {
    std::string workflow_id;
    std::string run_id;
    std::string activity_id;
    std::string type;
    int attempt = 1;                // from 1
    std::string heartbeat_details;  // JSON of the last heartbeat of the attempt before, or empty
};

// Lives as long as the attempt.
class activity_context {
 public:
    virtual ~activity_context() = default;
    virtual const activity_info& info() const = 0;
    // Tells the engine that the attempt lives, with details (JSON) for describe() and the next
    // attempt. Throttled by the runner to 0.8 x heartbeat_timeout at most... never blocks. Call it
    // often.
    virtual void heartbeat(std::string details) = 0;
    // True when the workflow asked for cancellation, the attempt timed out, or the worker is
    // stopping: end soon, with failure::cancelled().
    virtual bool is_cancelled() const = 0;
};

using activity_function =
    std::function<task<outcome<std::string>>(activity_context& ctx, std::string input)>;

// Name -> function. Typed registration converts JSON and turns a bad input into a non-retryable
// failure.
class activity_registry {
 public:
    void add(std::string name, activity_function f);
    template <class In, class Out, class F>  // F: task<outcome<Out>>(activity_context&, In)
    void add(const activity_type<In, Out>& type, F f) {
        add(type.name, [f](activity_context& ctx, std::string text) -> task<outcome<std::string>> {
            In input;
            try {
                input = nlohmann::json::parse(text).template get<In>();
            } catch (const nlohmann::json::exception& e) {
                co_return std::unexpected(failure::application("bad_input", e.what(), true));
            }
            auto out = co_await f(ctx, std::move(input));
            if (!out) {
                co_return std::unexpected(std::move(out.error()));
            }
            co_return nlohmann::json(*out).dump();
        });
    }
    const activity_function* find(const std::string& name) const;

 private:
    std::map<std::string, activity_function> functions_;
};

// Where activity tasks come from. Adapters: engine_embedded, later engine_temporal (gRPC).
struct activity_task {
    std::string task_token;
    activity_info info;
    std::string input;
    milliseconds heartbeat_timeout{0};
    milliseconds start_to_close_timeout{0};
};

class activity_source {
 public:
    virtual ~activity_source() = default;
    // Waits for a task of this queue; nullopt after a while without one (poll again). unavailable:
    // back off.
    virtual task<result<std::optional<activity_task>>> poll(std::string task_queue) = 0;
    // true = cancellation was requested or the attempt is no longer current: stop working.
    // not_found: the attempt is over.
    virtual task<result<bool>> heartbeat(std::string task_token, std::string details) = 0;
    virtual task<result<void>> complete(std::string task_token, outcome<std::string> result) = 0;
};

struct activity_worker_options {
    std::string task_queue;
    std::size_t concurrency = 1;  // attempts at once
    milliseconds graceful_stop{
        5'000};  // stop(): running attempts see is_cancelled() and get this long
};

// Polls one queue and runs its activities. An exception in an activity is a retryable
// "internal_error".
class activity_worker {
 public:
    activity_worker(executor ex, activity_source& source, activity_registry registry,
                    activity_worker_options options, obs::logger log);
    ~activity_worker();
    void start();
    task<> stop();

 private:
    struct state;
    std::shared_ptr<state> state_;
};

}  // namespace vora::durable
