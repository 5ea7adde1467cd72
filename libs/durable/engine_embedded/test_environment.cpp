#include "libs/durable/engine_embedded/test_environment.hpp"

#include "libs/durable/engine_embedded/history.hpp"

#include <algorithm>
#include <stdexcept>

namespace vora::durable {

namespace {

constexpr int skips_max = 20'000;  // a workflow that retries for ever does not end

class virtual_clock final : public clock_source {
 public:
    timestamp now() const override { return now_; }
    timestamp now_ = from_unix_ms(1'800'000'000'000);
};

// Hands attempts of hanging types to nobody, counts the others.
class watched_source final : public activity_source {
 public:
    explicit watched_source(embedded_engine& engine) : engine_(engine) {}

    task<vora::result<std::optional<activity_task>>> poll(std::string task_queue) override {
        for (;;) {
            auto polled = co_await engine_.poll(task_queue);
            if (!polled || !*polled) {
                co_return polled;
            }
            attempts.push_back((*polled)->info.type);
            if (!hanging.contains((*polled)->info.type)) {
                running.insert((*polled)->task_token);
                co_return polled;
            }
            held.insert((*polled)->task_token);
        }
    }
    task<vora::result<bool>> heartbeat(std::string task_token, std::string details) override {
        return engine_.heartbeat(std::move(task_token), std::move(details));
    }
    task<vora::result<void>> complete(std::string task_token, outcome<std::string> r) override {
        if (!r && r.error().type == "activity_not_registered") {
            r.error().non_retryable = true;
        }
        running.erase(task_token);
        return engine_.complete(std::move(task_token), std::move(r));
    }

    std::set<std::string> hanging;
    std::set<std::string> running;  // task tokens, and those of hanging attempts
    std::set<std::string> held;
    std::vector<std::string> attempts;

 private:
    embedded_engine& engine_;
};

}  // namespace

struct workflow_test_environment::state {
    explicit state(workflow_registry registry)
        : pool(1),
          engine(loop.executor(), pool, clock, std::move(registry),
                 embedded_engine_options{.db_path = ":memory:",
                                         .cached_runs_max = 100,
                                         .open_runs_max = 10'000,
                                         .poll_timeout = milliseconds(20'000),
                                         .retention = std::chrono::hours(24 * 3650),
                                         .lost_attempts_max = 5},
                 obs::logger(), metrics),
          source(engine),
          cancels(loop.executor()) {}

    // True: nothing moves any more without time passing.
    bool settled() const { return source.running.empty() && engine.settled(queues, source.held); }
    task<> settle();
    task<bool> skip_to_next(timestamp limit);
    task<outcome<std::string>> run_to_end(std::string workflow_id);
    task<> advance(milliseconds time);
    task<> cancel(std::string workflow_id);
    task<> stop();

    event_loop loop;
    blocking_pool pool;
    virtual_clock clock;
    obs::metrics metrics;
    embedded_engine engine;
    watched_source source;
    task_group cancels;
    std::set<std::string> queues;
    std::vector<std::unique_ptr<activity_worker>> workers;
    bool begun = false;
};

task<> workflow_test_environment::state::settle() {
    while (!settled()) {
        co_await sleep_for(milliseconds(1));
    }
}

// False: nothing is due by itself before the limit.
task<bool> workflow_test_environment::state::skip_to_next(timestamp limit) {
    const auto next = engine.next_deadline();
    if (!next || *next > limit) {
        co_return false;
    }
    clock.now_ = std::max(clock.now_, *next);
    engine.clock_changed();
    co_await settle();
    co_return true;
}

task<outcome<std::string>> workflow_test_environment::state::run_to_end(std::string workflow_id) {
    co_await settle();
    for (int skips = 0;; ++skips) {
        auto described = co_await engine.describe(workflow_id);
        if (!described) {
            co_return std::unexpected(failure::application("no_such_run", workflow_id));
        }
        if (described->status != run_status::running) {
            break;
        }
        const bool moved = skips < skips_max && co_await skip_to_next(timestamp::max());
        if (!moved) {
            co_return std::unexpected(
                failure::application("did_not_end", "the workflow waits for something else"));
        }
    }
    auto text = co_await engine.history(workflow_id);
    const auto events = history_from_json(text.value()).value();
    const auto& last = events.back();
    if (last.cause) {
        co_return std::unexpected(*last.cause);
    }
    co_return last.payload;
}

task<> workflow_test_environment::state::advance(milliseconds time) {
    const timestamp target = clock.now_ + time;
    co_await settle();
    for (;;) {
        auto moved = co_await skip_to_next(target);
        if (!moved) {
            break;
        }
    }
    clock.now_ = target;
}

task<> workflow_test_environment::state::cancel(std::string workflow_id) {
    co_await engine.cancel(std::move(workflow_id));
}

task<> workflow_test_environment::state::stop() {
    co_await cancels.join();
    for (auto& worker : workers) {
        co_await worker->stop();
    }
    co_await engine.stop();
}

workflow_test_environment::workflow_test_environment(workflow_registry registry)
    : state_(std::make_unique<state>(std::move(registry))) {}

workflow_test_environment::~workflow_test_environment() {
    if (state_->begun) {
        state_->loop.run_until_done(state_->stop());
    }
}

void workflow_test_environment::serve(const std::string& task_queue) {
    state_->queues.insert(task_queue);
}

void workflow_test_environment::hang_type(const std::string& name, const std::string& task_queue) {
    serve(task_queue);
    state_->source.hanging.insert(name);
}

void workflow_test_environment::on_raw(const std::string& name, const std::string& task_queue,
                                       activity_function f) {
    serve(task_queue);
    activities_.add(name, std::move(f));
}

void workflow_test_environment::begin() {
    if (std::exchange(state_->begun, true)) {
        return;
    }
    auto started = state_->loop.run_until_done(state_->engine.start());
    if (!started) {
        throw std::runtime_error(started.error().detail);
    }
    for (const auto& queue : state_->queues) {
        state_->workers.push_back(std::make_unique<activity_worker>(
            state_->loop.executor(), state_->source, activities_,
            activity_worker_options{
                .task_queue = queue, .concurrency = 64, .graceful_stop = milliseconds(100)},
            obs::logger()));
        state_->workers.back()->start();
    }
}

void workflow_test_environment::start_raw(const std::string& type, const std::string& task_queue,
                                          const std::string& input,
                                          const std::string& workflow_id) {
    begin();
    auto started = state_->loop.run_until_done(
        state_->engine.start(start_request{workflow_id, type, task_queue, input}));
    if (!started) {
        throw std::runtime_error(started.error().reason + ": " + started.error().detail);
    }
}

outcome<std::string> workflow_test_environment::result(const std::string& workflow_id) {
    return state_->loop.run_until_done(state_->run_to_end(workflow_id));
}

void workflow_test_environment::advance(milliseconds time) {
    state_->loop.run_until_done(state_->advance(time));
}

void workflow_test_environment::signal(const std::string& name, const std::string& input,
                                       const std::string& workflow_id) {
    auto r = state_->loop.run_until_done(state_->engine.signal(workflow_id, name, input));
    if (!r) {
        throw std::runtime_error(r.error().reason);
    }
    settle();
}

vora::result<std::string> workflow_test_environment::query(const std::string& name,
                                                           const std::string& input,
                                                           const std::string& workflow_id) {
    return state_->loop.run_until_done(state_->engine.query(workflow_id, name, input));
}

void workflow_test_environment::cancel(const std::string& workflow_id) {
    cancel_now(workflow_id);
    settle();
}

void workflow_test_environment::cancel_now(const std::string& workflow_id) {
    auto r = state_->loop.run_until_done(state_->engine.cancel(workflow_id));
    if (!r) {
        throw std::runtime_error(r.error().reason);
    }
}

void workflow_test_environment::cancel_soon(const std::string& workflow_id) {
    state_->cancels.spawn(state_->cancel(workflow_id));
}

run_description workflow_test_environment::describe(const std::string& workflow_id) {
    return state_->loop.run_until_done(state_->engine.describe(workflow_id)).value();
}

std::string workflow_test_environment::history(const std::string& workflow_id) {
    return state_->loop.run_until_done(state_->engine.history(workflow_id)).value();
}

timestamp workflow_test_environment::now() const {
    return state_->clock.now_;
}

std::vector<std::string> workflow_test_environment::attempts() const {
    return state_->source.attempts;
}

int workflow_test_environment::attempts(const std::string& type) const {
    return static_cast<int>(std::ranges::count(state_->source.attempts, type));
}

}  // namespace vora::durable
