#pragma once
// Runs workflow definitions in a test, on the real engine with a virtual clock: hours pass at once.
//
//     workflow_registry registry;
//     registry.add(contracts::ingest_video, ingest_video);
//     workflow_test_environment env(std::move(registry));
//     env.on(contracts::probe, [](const contracts::probe_input&) -> outcome<contracts::probe_facts>
//     { ... }); env.start(contracts::ingest_video, contracts::ingest_input{...}); auto end =
//     env.result();                       // skips timers and backoffs
//     EXPECT_EQ(env.attempts("probe"), 1);
//
// The clock stands while an activity runs and moves on to the next deadline when nothing else is
// left to do. Activities without a mock fail with "activity_not_registered", non-retryable.

#include "libs/durable/client.hpp"
#include "libs/durable/engine_embedded/engine.hpp"
#include "libs/durable/worker/activity.hpp"
#include "libs/durable/workflow/workflow.hpp"

#include <nlohmann/json.hpp>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

namespace vora::durable {

class workflow_test_environment {
 public:
    explicit workflow_test_environment(workflow_registry registry);
    ~workflow_test_environment();
    workflow_test_environment(const workflow_test_environment&) = delete;

    // Before start(). F: outcome<Out>(const In&), outcome<Out>(activity_context&, const In&), or a
    // coroutine task<outcome<Out>>(activity_context&, In) as in a real registry.
    template <class In, class Out, class F>
    void on(const activity_type<In, Out>& type, F f) {
        serve(type.task_queue);
        auto mock = std::make_shared<F>(std::move(f));
        if constexpr (std::is_invocable_r_v<outcome<Out>, F&, const In&>) {
            activities_.add(type, [mock](activity_context&, In in) -> task<outcome<Out>> {
                co_return (*mock)(in);
            });
        } else if constexpr (std::is_invocable_r_v<outcome<Out>, F&, activity_context&,
                                                   const In&>) {
            activities_.add(type, [mock](activity_context& ctx, In in) -> task<outcome<Out>> {
                co_return (*mock)(ctx, in);
            });
        } else {
            activities_.add(
                type, [mock](activity_context& ctx, In in) { return (*mock)(ctx, std::move(in)); });
        }
    }
    // An activity that starts and never ends nor heartbeats: for its timeouts and for what is seen
    // meanwhile.
    template <class In, class Out>
    void hang(const activity_type<In, Out>& type) {
        hang_type(type.name, type.task_queue);
    }
    // What the workflow calls by name (call_raw).
    void on_raw(const std::string& name, const std::string& task_queue, activity_function f);

    template <class In>
    void start(const workflow_type<In>& type, const In& input,
               const std::string& workflow_id = "test") {
        start_raw(type.name, type.task_queue, nlohmann::json(input).dump(), workflow_id);
    }
    void start_raw(const std::string& type, const std::string& task_queue, const std::string& input,
                   const std::string& workflow_id = "test");

    // Runs until the workflow has closed; its JSON result, or why not. Fails with "did_not_end"
    // when nothing is left that could move it on.
    outcome<std::string> result(const std::string& workflow_id = "test");
    // Lets this much time pass, and all that falls due in it happen.
    void advance(milliseconds time);
    // Runs what can be run without time passing.
    void settle() { advance(milliseconds(0)); }

    void signal(const std::string& name, const std::string& input,
                const std::string& workflow_id = "test");
    vora::result<std::string> query(const std::string& name, const std::string& input = {},
                                    const std::string& workflow_id = "test");
    void cancel(const std::string& workflow_id = "test");
    // Without waiting for what follows from it: for activities that run until they are cancelled.
    void cancel_now(const std::string& workflow_id = "test");
    // From within an activity, where nothing can be waited for.
    void cancel_soon(const std::string& workflow_id = "test");
    run_description describe(const std::string& workflow_id = "test");
    std::string history(const std::string& workflow_id = "test");  // for replay_history

    timestamp now() const;
    // Types of the activity attempts that were started, in order.
    std::vector<std::string> attempts() const;
    int attempts(const std::string& type) const;

 private:
    struct state;
    void serve(const std::string& task_queue);
    void hang_type(const std::string& name, const std::string& task_queue);
    void begin();

    activity_registry activities_;
    std::unique_ptr<state> state_;
};

}  // namespace vora::durable
