#pragma once
// What workflow definitions are written with, and all they may use: no clock, no random, no thread,
// no I/O. A definition is a coroutine that replays to the same commands from the same history.
//
//     durable::workflow<durable::outcome<ingest_result>> ingest_video(durable::context& ctx,
//     ingest_input in) {
//         auto facts = co_await ctx.call(contracts::probe, probe_input{in.source_key},
//         probe_options()); if (!facts) { co_return std::unexpected(facts.error()); }
//         ...
//     }
//
// workflow<T> is lazy and single-owner. It may await durable awaitables and other workflow<T> only:
// await_transform is deleted for everything else. Frames may be destroyed at any suspension point
// (eviction): destructors must not call ctx.
//
// A definition is a function or a lambda without captures. Its locals are gone when it has ended,
// so what a query handler reads is kept by the run: `auto& progress = ctx.keep(progress_state{});`

#include "libs/base/clock.hpp"
#include "libs/durable/failure.hpp"
#include "libs/durable/options.hpp"
#include "libs/durable/workflow/coroutine.hpp"

#include <nlohmann/json.hpp>

#include <coroutine>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

namespace vora::durable {

class workflow_run;  // the interpreter behind a context (run.hpp)

class context {
 public:
    explicit context(workflow_run& run) : run_(&run) {}

    const std::string& workflow_id() const;
    timestamp now() const;  // of the current activation; the same on replay
    bool is_replaying() const;
    bool is_cancelled() const;  // cancellation of the workflow was requested

    // Schedules now, resolves later: start several, then await each by name (fan-out).
    activity_future call_raw(std::string name, std::string input, activity_options options);
    template <class In, class Out>
    typed_activity_future<Out> call(const activity_type<In, Out>& type, const In& input,
                                    activity_options options) {
        options.task_queue = type.task_queue;
        return typed_activity_future<Out>(
            call_raw(type.name, nlohmann::json(input).dump(), std::move(options)));
    }
    // Durable timer. Resolves to true when it fired, false when the workflow was cancelled
    // meanwhile.
    timer_future sleep(milliseconds duration);
    // Asks one activity to end, or ends one timer (it resolves to false).
    void cancel(const activity_future& activity);
    void cancel(const timer_future& timer);
    // The next signal of that name, in order of arrival; those sent before anyone waits are kept.
    // The signal is taken when the future is awaited.
    signal_future next_signal(std::string name);
    // Resolves when f() is true (true) or the workflow is cancelled (false); f is asked again after
    // every activation. `a.ready() || stop.ready()` waits for the first of several.
    condition_future wait_until(std::function<bool()> f);
    // A value that lives as long as the run, for query handlers and conditions.
    template <class T>
    T& keep(T initial) {
        auto kept = std::make_shared<T>(std::move(initial));
        keep_alive(kept);
        return *kept;
    }
    // Runs without side effects, at any time, also after the end. f must not refer to locals:
    // keep().
    void on_query(std::string name, std::function<std::string(std::string input)> f);
    // While one is alive, cancellation of the workflow does not reach what is called: compensation.
    class cancellation_shield {
     public:
        explicit cancellation_shield(context& ctx);
        ~cancellation_shield();
        cancellation_shield(const cancellation_shield&) = delete;

     private:
        std::weak_ptr<int> alive_;
    };
    // Versioning: true for runs that started with (or reached) the new code.
    bool patched(const std::string& id);
    void log(std::string event, std::string detail = {});  // silent on replay
    std::string new_id();                                  // deterministic random, UUID form

 private:
    friend class cancellation_shield;
    void keep_alive(std::shared_ptr<void> kept);
    workflow_run* run_;
};

using workflow_function =
    std::function<workflow<outcome<std::string>>(context& ctx, std::string input)>;

class workflow_registry {
 public:
    void add(std::string name, workflow_function f);
    template <class In, class F>  // F: workflow<outcome<Out>>(context&, In), Out may be void
    void add(const workflow_type<In>& type, F f) {
        add(type.name, [f](context& ctx, std::string text) -> workflow<outcome<std::string>> {
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
            if constexpr (std::is_void_v<typename decltype(out)::value_type>) {
                co_return std::string("{}");
            } else {
                co_return nlohmann::json(*out).dump();
            }
        });
    }
    const workflow_function* find(const std::string& name) const;

 private:
    std::map<std::string, workflow_function> functions_;
};

}  // namespace vora::durable
