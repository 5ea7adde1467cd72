#include "libs/durable/engine_temporal/workflow_worker/workflow_worker.hpp"

#include "libs/durable/engine_temporal/workflow_worker/bridge.hpp"
#include "libs/durable/engine_temporal/workflow_worker/run_table.hpp"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace vora::durable {

namespace {

constexpr std::uint32_t core_threads = 2;
constexpr milliseconds reconnect_pause{500};
constexpr milliseconds reconnect_pause_max{10'000};
constexpr milliseconds log_pause{1'000};
// After a final error core shuts down by itself; should it not, the worker is given up.
constexpr int poll_errors_max = 100;

// Threads inherit the mask of the one that starts them: signals stay with the main thread, whose
// loop waits for them.
class signals_blocked {
 public:
    signals_blocked() {
        sigset_t all;
        sigfillset(&all);
        for (const int own : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGPROF}) {
            sigdelset(&all, own);
        }
        pthread_sigmask(SIG_BLOCK, &all, &before_);
    }
    ~signals_blocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    signals_blocked(const signals_blocked&) = delete;

 private:
    sigset_t before_{};
};

std::string default_identity() {
    char host[256] = {};
    gethostname(host, sizeof host - 1);
    return "vora-workflow " + std::to_string(getpid()) + "@" + host;
}

bridge::worker_options core_options(const temporal_worker_options& o) {
    bridge::worker_options to;
    to.name_space = o.name_space;
    to.task_queue = o.task_queue;
    to.build_id = o.build_id;
    to.cached_runs_max = o.cached_runs_max;
    to.tasks_max = o.tasks_max;
    to.sticky_timeout = o.sticky_timeout;
    to.graceful_stop = o.graceful_stop;
    return to;
}

}  // namespace

struct temporal_workflow_worker::state {
    state(workflow_registry r, temporal_worker_options o, obs::logger l, obs::metrics& m)
        : registry(std::move(r)),
          options(std::move(o)),
          log(std::move(l)),
          runs(registry,
               [this](const std::string& workflow_id, const std::string& event,
                      const std::string& detail) {
                   log.info(event, {{"workflow", workflow_id}, {"detail", detail}});
               }),
          answered(m.counter("vora_workflow_activations_total",
                             "Activations of workflow runs by result", {{"result", "ok"}})),
          failed(m.counter("vora_workflow_activations_total",
                           "Activations of workflow runs by result", {{"result", "failed"}})),
          polled(m.counter("vora_workflow_polls_total", "Tasks asked for, by result",
                           {{"result", "ok"}})),
          poll_failed(m.counter("vora_workflow_polls_total", "Tasks asked for, by result",
                                {{"result", "failed"}})),
          refused(m.counter("vora_workflow_answers_refused_total",
                            "Answers to activations that Temporal's core did not take")),
          begun(m.counter("vora_workflow_runs_built_total", "Runs that came into memory",
                          {{"from", "start"}})),
          replayed(m.counter("vora_workflow_runs_built_total", "Runs that came into memory",
                             {{"from", "history"}})),
          evicted(m.counter("vora_workflow_runs_evicted_total", "Runs that left memory",
                            {{"why", "asked"}})),
          dropped(m.counter("vora_workflow_runs_evicted_total", "Runs that left memory",
                            {{"why", "error"}})),
          cached(m.gauge("vora_workflow_cached_runs", "Workflow runs in memory")),
          took(m.histogram("vora_workflow_activation_seconds",
                           "Time that definitions took for an activation",
                           obs::seconds_buckets())) {}

    // Threads
    void connect_and_serve();
    void serve(bridge::core_worker& worker);
    void work();
    void forward_logs();

    void answer(bridge::core_worker& worker, const std::string& activation);
    void count_run(const run_table::answer& a);
    void wait_until_answered();
    void not_ready(std::string why);
    bool pause(milliseconds time);  // false: stopping

    const workflow_registry registry;
    const temporal_worker_options options;
    const obs::logger log;
    run_table runs;
    obs::counter& answered;
    obs::counter& failed;
    obs::counter& polled;
    obs::counter& poll_failed;
    obs::counter& refused;
    obs::counter& begun;
    obs::counter& replayed;
    obs::counter& evicted;
    obs::counter& dropped;
    obs::gauge& cached;
    obs::histogram& took;
    std::shared_ptr<bridge::runtime> core;
    std::vector<std::thread> threads;

    mutable std::mutex mutex;  // all below
    std::condition_variable changed;
    bool stopping = false;
    bool drained = false;  // nothing will be queued any more
    std::string why_not_ready = "not started";
    bridge::core_worker* current = nullptr;
    std::deque<std::string> queue;
    std::size_t unanswered = 0;  // queued or being worked on
};

void temporal_workflow_worker::state::connect_and_serve() {
    const auto identity = options.identity.empty() ? default_identity() : options.identity;
    auto wait = reconnect_pause;
    std::string last_trouble;
    do {
        auto worker =
            bridge::core_worker::connect(core, options.address, identity, core_options(options));
        if (worker) {
            wait = reconnect_pause;
            last_trouble.clear();
            serve(**worker);
        } else {
            // Said once for each reason: it may last for hours.
            if (worker.error().detail != last_trouble) {
                last_trouble = worker.error().detail;
                log.warn("temporal_unavailable",
                         {{"address", options.address}, {"detail", last_trouble}});
            }
            not_ready(worker.error().detail);
        }
        worker = fail(errc::cancelled, "ended");  // all of it has ended before the next begins
        runs.clear();
        cached.set(0);
    } while (pause(std::exchange(wait, std::min(wait * 2, reconnect_pause_max))));
    const std::scoped_lock lock(mutex);
    drained = true;
    changed.notify_all();
}

void temporal_workflow_worker::state::serve(bridge::core_worker& worker) {
    {
        const std::scoped_lock lock(mutex);
        current = &worker;
        why_not_ready = stopping ? "stopping" : "";
        if (stopping) {
            worker.shut_down();
        }
    }
    log.info("temporal_connected",
             {{"address", options.address}, {"task_queue", options.task_queue}});
    for (int errors = 0; errors < poll_errors_max;) {
        auto activation = worker.poll();
        if (!activation) {
            ++errors;
            poll_failed.add();
            log.error("temporal_poll_failed", {{"detail", activation.error().detail}});
            not_ready(activation.error().detail);
            continue;
        }
        if (!*activation) {
            break;
        }
        polled.add();
        const std::scoped_lock lock(mutex);
        queue.push_back(std::move(**activation));
        ++unanswered;
        changed.notify_all();
    }
    wait_until_answered();
    not_ready("disconnected");
}

void temporal_workflow_worker::state::wait_until_answered() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return unanswered == 0; });
    current = nullptr;
}

// Several at once: an answer may wait for more of its run's history, and others must not wait for
// it.
void temporal_workflow_worker::state::work() {
    std::unique_lock lock(mutex);
    for (;;) {
        changed.wait(lock, [this] { return !queue.empty() || drained; });
        if (queue.empty()) {
            return;
        }
        const auto activation = std::move(queue.front());
        queue.pop_front();
        auto& worker = *current;  // stays while anything is unanswered
        lock.unlock();
        answer(worker, activation);
        lock.lock();
        --unanswered;
        changed.notify_all();
    }
}

void temporal_workflow_worker::state::answer(bridge::core_worker& worker,
                                             const std::string& activation) {
    const auto started = std::chrono::steady_clock::now();
    const auto a = runs.activate(activation);
    took.observe(std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count());
    cached.set(static_cast<double>(runs.size()));
    (a.refused.empty() ? answered : failed).add();
    count_run(a);
    if (!a.refused.empty()) {
        log.warn("workflow_task_failed", {{"run", a.run_id}, {"detail", a.refused}});
    }
    if (!a.evicted_for.empty()) {
        log.warn("workflow_run_dropped", {{"run", a.run_id}, {"detail", a.evicted_for}});
    }
    auto done = worker.complete(a.completion);
    if (!done) {
        refused.add();
        log.error("workflow_answer_refused", {{"run", a.run_id}, {"detail", done.error().detail}});
        // Without any answer the run would never get another activation.
        const auto refusal = refusal_to_proto(a.run_id, "the answer was refused");
        if (auto again = worker.complete(refusal); !again) {
            worker.evict(a.run_id);
        }
    }
}

void temporal_workflow_worker::state::count_run(const run_table::answer& a) {
    if (a.built) {
        (a.replays ? replayed : begun).add();
    }
    if (a.evicted) {
        (a.evicted_for.empty() ? evicted : dropped).add();
    }
}

void temporal_workflow_worker::state::forward_logs() {
    const auto forward = [this] {
        core->take_logs([this](std::string_view level, std::string_view text) {
            if (level == "ERROR") {
                log.error("temporal_core", {{"detail", text}});
            } else {
                log.warn("temporal_core", {{"detail", text}});
            }
        });
    };
    std::unique_lock lock(mutex);
    while (!changed.wait_for(lock, log_pause, [this] { return drained; })) {
        lock.unlock();
        forward();
        lock.lock();
    }
    lock.unlock();
    forward();
}

void temporal_workflow_worker::state::not_ready(std::string why) {
    const std::scoped_lock lock(mutex);
    why_not_ready = std::move(why);
}

bool temporal_workflow_worker::state::pause(milliseconds time) {
    std::unique_lock lock(mutex);
    return !changed.wait_for(lock, time, [this] { return stopping; });
}

temporal_workflow_worker::temporal_workflow_worker(workflow_registry registry,
                                                   temporal_worker_options options, obs::logger log,
                                                   obs::metrics& metrics)
    : state_(std::make_unique<state>(std::move(registry), std::move(options), std::move(log),
                                     metrics)) {}

temporal_workflow_worker::~temporal_workflow_worker() {
    stop();
}

result<void> temporal_workflow_worker::start() {
    const signals_blocked during_the_start;
    auto core = bridge::runtime::make("warn", core_threads);
    if (!core) {
        return fail(core.error());
    }
    state_->core = std::move(*core);
    state_->not_ready("connecting");
    auto* s = state_.get();
    s->threads.emplace_back([s] { s->connect_and_serve(); });
    s->threads.emplace_back([s] { s->forward_logs(); });
    for (std::uint32_t i = 0; i < s->options.tasks_max; ++i) {
        s->threads.emplace_back([s] { s->work(); });
    }
    return {};
}

result<void> temporal_workflow_worker::ready() const {
    const std::scoped_lock lock(state_->mutex);
    if (!state_->why_not_ready.empty()) {
        return fail(errc::unavailable, "temporal_unavailable", state_->why_not_ready);
    }
    return {};
}

void temporal_workflow_worker::stop() {
    {
        const std::scoped_lock lock(state_->mutex);
        state_->stopping = true;
        state_->why_not_ready = "stopping";
        if (state_->current != nullptr) {
            state_->current->shut_down();
        }
        state_->changed.notify_all();
    }
    for (auto& thread : std::exchange(state_->threads, {})) {
        thread.join();
    }
    state_->core.reset();
}

result<void> replay_temporal_history(const workflow_registry& registry,
                                     const std::string& workflow_id, const std::string& history) {
    auto core = bridge::runtime::make("error", core_threads);
    if (!core) {
        return fail(core.error());
    }
    bridge::worker_options options;
    options.name_space = "replay";
    options.task_queue = "replay";
    auto worker = bridge::core_worker::replay(*core, workflow_id, history, options);
    if (!worker) {
        return fail(worker.error());
    }
    run_table runs(registry, {});
    std::string wrong;
    for (int errors = 0; errors < poll_errors_max;) {
        auto activation = (*worker)->poll();
        if (!activation) {
            ++errors;
            continue;
        }
        if (!*activation) {
            break;
        }
        const auto a = runs.activate(**activation);
        if (wrong.empty()) {
            wrong = a.refused.empty() ? a.evicted_for : a.refused;
        }
        auto done = (*worker)->complete(a.completion);
        if (!done && wrong.empty()) {
            wrong = done.error().detail;
        }
    }
    if (!wrong.empty()) {
        return fail(errc::failed_precondition, "history_does_not_replay", wrong);
    }
    return {};
}

}  // namespace vora::durable
