// One coroutine polls; each attempt has a supervisor, which sends heartbeats, notices cancellation
// and reports the end, and a body, the activity itself, in a group of its own, so that a body that
// does not end can be cancelled without losing the report.

#include "libs/durable/worker/activity.hpp"

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <chrono>

namespace vora::durable {

namespace {

using steady = std::chrono::steady_clock;
using boost::system::system_error;

constexpr milliseconds heartbeat_interval_max{1'000};  // progress is shown to people
constexpr milliseconds poll_backoff_max{5'000};
constexpr milliseconds report_deadline{15'000};
constexpr milliseconds look_interval_max{500};
constexpr int reports_max = 100;
constexpr auto trouble_told_every = std::chrono::minutes(1);

milliseconds left(steady::time_point until) {
    return std::max(milliseconds(0), std::chrono::ceil<milliseconds>(until - steady::now()));
}

class attempt final : public activity_context {
 public:
    attempt(const executor& ex, activity_task t) : task_(std::move(t)), wake_(ex), body_(ex) {
        throttle_ = heartbeat_interval_max;
        if (task_.heartbeat_timeout.count() > 0) {
            throttle_ = std::min(throttle_, task_.heartbeat_timeout * 8 / 10);
        }
    }

    const activity_info& info() const override { return task_.info; }
    void heartbeat(std::string details) override {
        details_ = std::move(details);
        if (!std::exchange(heartbeat_due_, true)) {
            wake_.notify();
        }
    }
    bool is_cancelled() const override { return cancelled_since_.has_value(); }

    void cancel() {
        if (!cancelled_since_) {
            cancelled_since_ = steady::now();
            wake_.notify();
        }
    }
    void finish(outcome<std::string> r) {
        result_ = std::move(r);
        wake_.notify();
    }

    activity_task task_;
    wake_signal wake_;
    task_group body_;
    milliseconds throttle_{0};
    std::string details_;
    bool heartbeat_due_ = false;
    steady::time_point began_ = steady::now();
    steady::time_point heartbeat_sent_;
    std::optional<steady::time_point> cancelled_since_;
    std::optional<outcome<std::string>> result_;
};

using attempt_ptr = std::shared_ptr<attempt>;

// The function lives in the registry, the attempt as long as this coroutine.
task<> run_body(attempt_ptr a, const activity_function& f) {
    try {
        auto r = co_await f(*a, a->task_.input);
        a->finish(std::move(r));
    } catch (const system_error& e) {
        if (e.code() == boost::asio::error::operation_aborted) {
            a->finish(std::unexpected(failure::cancelled()));
        } else {
            a->finish(std::unexpected(failure::application("internal_error", e.what())));
        }
    } catch (const std::exception& e) {
        a->finish(std::unexpected(failure::application("internal_error", e.what())));
    }
}

}  // namespace

struct activity_worker::state : std::enable_shared_from_this<activity_worker::state> {
    state(executor e, activity_source& s, activity_registry r, activity_worker_options o,
          obs::logger l)
        : ex(e),
          source(s),
          registry(std::move(r)),
          options(std::move(o)),
          log(std::move(l)),
          slot_free(e),
          poller(e),
          supervisors(e) {}

    task<> poll();
    void note_poll(const std::string& trouble);
    task<> supervise(attempt_ptr a);
    milliseconds next_look(const attempt& a) const;
    task<> send_heartbeat(attempt& a);
    task<> report(attempt& a);
    void log_end(const attempt& a) const;
    task<> stop();

    executor ex;
    activity_source& source;
    const activity_registry registry;
    const activity_worker_options options;
    obs::logger log;
    wake_signal slot_free;
    task_group poller;
    task_group supervisors;
    std::map<const attempt*, attempt_ptr> running;
    std::string poll_trouble;  // why the last poll failed
    steady::time_point trouble_told;
    bool stopping = false;
};

task<> activity_worker::state::poll() {
    milliseconds backoff{100};
    for (;;) {
        while (running.size() >= options.concurrency) {
            co_await slot_free.wait(std::chrono::hours(1));
        }
        auto polled = co_await source.poll(options.task_queue);
        note_poll(polled ? "" : polled.error().reason);
        if (!polled) {
            co_await sleep_for(backoff);
            backoff = std::min(backoff * 2, poll_backoff_max);
            continue;
        }
        backoff = milliseconds(100);
        if (*polled) {
            auto a = std::make_shared<attempt>(ex, std::move(**polled));
            running[a.get()] = a;
            supervisors.spawn(supervise(a));
        }
    }
}

// A line when it begins, one a minute while it lasts, one when it is over.
void activity_worker::state::note_poll(const std::string& trouble) {
    if (trouble.empty()) {
        if (!poll_trouble.empty()) {
            log.info("activity_polls_again", {{"queue", options.task_queue}});
        }
    } else if (trouble != poll_trouble || steady::now() - trouble_told >= trouble_told_every) {
        log.warn("activity_poll_failed", {{"queue", options.task_queue}, {"reason", trouble}});
        trouble_told = steady::now();
    }
    poll_trouble = trouble;
}

task<> activity_worker::state::supervise(attempt_ptr a) {
    if (const auto* f = registry.find(a->task_.info.type)) {
        a->body_.spawn(run_body(a, *f));
    } else {
        a->finish(std::unexpected(
            failure::application("activity_not_registered", "no activity " + a->task_.info.type)));
    }
    while (!a->result_) {
        if (stopping || steady::now() - a->began_ >= a->task_.start_to_close_timeout) {
            a->cancel();
        }
        if (a->heartbeat_due_ && steady::now() - a->heartbeat_sent_ >= a->throttle_) {
            co_await send_heartbeat(*a);
            continue;
        }
        if (a->cancelled_since_ && steady::now() - *a->cancelled_since_ >= options.graceful_stop) {
            co_await a->body_.stop();  // it did not end when asked
            break;
        }
        co_await a->wake_.wait(next_look(*a));
    }
    co_await a->body_.join();
    if (!a->result_) {
        a->result_ = std::unexpected(failure::cancelled());
    }
    co_await report(*a);
    running.erase(a.get());
    slot_free.notify();
}

// Until something may have to be done without being woken.
milliseconds activity_worker::state::next_look(const attempt& a) const {
    milliseconds wait = look_interval_max;
    if (!a.cancelled_since_) {
        wait = std::min(wait, left(a.began_ + a.task_.start_to_close_timeout));
    }
    if (a.heartbeat_due_) {
        wait = std::min(wait, left(a.heartbeat_sent_ + a.throttle_));
    }
    if (a.cancelled_since_) {
        wait = std::min(wait, left(*a.cancelled_since_ + options.graceful_stop));
    }
    return wait;
}

task<> activity_worker::state::send_heartbeat(attempt& a) {
    a.heartbeat_due_ = false;
    a.heartbeat_sent_ = steady::now();
    auto r = co_await source.heartbeat(a.task_.task_token, a.details_);
    if (r ? *r : r.error().code == errc::not_found) {
        a.cancel();
    }
}

// The last heartbeat goes before the end: after a failure the next attempt starts from its details.
task<> activity_worker::state::report(attempt& a) {
    if (!*a.result_ && a.heartbeat_due_) {
        co_await send_heartbeat(a);
    }
    log_end(a);
    milliseconds backoff{100};
    for (int tries = 0; tries < reports_max; ++tries) {
        auto r = co_await with_deadline(source.complete(a.task_.task_token, *a.result_),
                                        report_deadline);
        if (r || r.error().code == errc::not_found) {
            co_return;
        }
        log.warn("activity_report_failed",
                 {{"type", a.task_.info.type}, {"reason", r.error().reason}});
        if (stopping) {
            co_return;  // the engine finds the attempt lost, or timed out
        }
        co_await sleep_for(backoff);
        backoff = std::min(backoff * 2, poll_backoff_max);
    }
}

void activity_worker::state::log_end(const attempt& a) const {
    const auto& info = a.task_.info;
    const auto took = std::chrono::duration_cast<milliseconds>(steady::now() - a.began_).count();
    const auto& r = *a.result_;
    if (r) {
        log.info("activity_completed", {{"workflow", info.workflow_id},
                                        {"type", info.type},
                                        {"attempt", info.attempt},
                                        {"took_ms", took}});
    } else {
        log.warn("activity_attempt_failed", {{"workflow", info.workflow_id},
                                             {"type", info.type},
                                             {"attempt", info.attempt},
                                             {"took_ms", took},
                                             {"failure", r.error().root().type},
                                             {"detail", r.error().root().message}});
    }
}

task<> activity_worker::state::stop() {
    co_await poller.stop();
    stopping = true;
    for (auto& [key, a] : running) {
        a->cancel();
    }
    co_await supervisors.join();
}

activity_worker::activity_worker(executor ex, activity_source& source, activity_registry registry,
                                 activity_worker_options options, obs::logger log)
    : state_(std::make_shared<state>(ex, source, std::move(registry), std::move(options),
                                     std::move(log))) {}

activity_worker::~activity_worker() = default;

void activity_worker::start() {
    state_->poller.spawn(state_->poll());
}

task<> activity_worker::stop() {
    return state_->stop();
}

}  // namespace vora::durable
