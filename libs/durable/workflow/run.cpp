#include "libs/durable/workflow/run.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace vora::durable {

namespace {

// A definition that loops without waiting must not fill the history.
constexpr std::size_t commands_max = 2'000;

}  // namespace

workflow_run::workflow_run(const workflow_registry& registry, log_sink log)
    : registry_(registry), log_(std::move(log)) {}

workflow_run::~workflow_run() {
    evict();
}

completion workflow_run::activate(const activation& a) {
    completion done;
    done.run_id = a.run_id;
    commands_.clear();
    if (broken_) {
        done.activation_failure =
            failure::application("run_broken", "an earlier activation failed");
        return done;
    }
    try {
        activate_or_throw(a);
        done.commands = std::move(commands_);
    } catch (const std::exception& e) {
        broken_ = true;
        done.activation_failure = failure::application("workflow_task_failed", e.what());
    }
    commands_.clear();
    return done;
}

void workflow_run::activate_or_throw(const activation& a) {
    const bool query_only = !a.jobs.empty() && std::ranges::all_of(a.jobs, [](const auto& j) {
        return std::holds_alternative<job::query_workflow>(j);
    });
    if (!query_only) {
        now_ = a.timestamp;
        replaying_ = a.is_replaying;
    }
    for (const auto& one : a.jobs) {
        std::visit([this](const auto& j) { apply(j); }, one);
    }
    if (query_only || closed_) {
        return;
    }
    pass_on_cancellation();
    run_until_blocked();
}

void workflow_run::apply(const job::initialize_workflow& j) {
    const workflow_function* definition = registry_.find(j.workflow_type);
    if (definition == nullptr) {
        throw std::runtime_error("unknown workflow type: " + j.workflow_type);
    }
    workflow_id_ = j.workflow_id;
    random_ = j.randomness_seed;
    root_ = (*definition)(context_, j.input);
    root_fresh_ = true;
}

void workflow_run::apply(const job::fire_timer& j) {
    auto it = timers_.find(j.seq);
    if (it == timers_.end()) {
        return;  // cancelled meanwhile
    }
    it->second->fired = true;
    resolve(it->second);
    timers_.erase(it);
}

void workflow_run::apply(const job::update_random_seed& j) {
    random_ = j.randomness_seed;
}

void workflow_run::apply(const job::query_workflow& j) {
    command::respond_to_query response{j.query_id, {}};
    const auto handler = queries_.find(j.query_type);
    if (handler == queries_.end()) {
        response.answer = std::unexpected(
            failure::application("unknown_query", "no query " + j.query_type, true));
    } else {
        querying_ = true;
        try {
            response.answer = handler->second(j.input);
        } catch (const std::exception& e) {
            response.answer = std::unexpected(failure::application("query_failed", e.what(), true));
        }
        querying_ = false;
    }
    commands_.emplace_back(std::move(response));
}

void workflow_run::apply(const job::cancel_workflow&) {
    cancelled_ = true;
}

void workflow_run::apply(const job::signal_workflow& j) {
    const auto waiter = std::ranges::find_if(
        signal_waiters_, [&](const auto& s) { return s->name == j.signal_name && s->waiter; });
    if (waiter == signal_waiters_.end()) {
        signals_[j.signal_name].push_back(j.input);
        return;
    }
    (*waiter)->value = j.input;
    resolve(*waiter);
    signal_waiters_.erase(waiter);
}

void workflow_run::apply(const job::resolve_activity& j) {
    auto it = activities_.find(j.seq);
    if (it == activities_.end()) {
        return;
    }
    it->second->value = j.result;
    resolve(it->second);
    activities_.erase(it);
}

void workflow_run::apply(const job::notify_has_patch& j) {
    patches_notified_.insert(j.patch_id);
}

void workflow_run::apply(const job::remove_from_cache&) {
    evict();
    broken_ = true;
}

// After all jobs, so that what has resolved in the same activation is not cancelled any more.
void workflow_run::pass_on_cancellation() {
    if (!cancelled_ || std::exchange(cancellation_passed_, true)) {
        return;
    }
    for (auto it = timers_.begin(); it != timers_.end();) {
        if (it->second->shielded) {
            ++it;
            continue;
        }
        emit(command::cancel_timer{it->first});
        resolve(it->second);
        it = timers_.erase(it);
    }
    for (auto& [seq, activity] : activities_) {
        if (!activity->shielded && !std::exchange(activity->cancel_sent, true)) {
            emit(command::request_cancel_activity{seq});
        }
    }
    std::erase_if(signal_waiters_, [this](const auto& s) {
        if (!s->shielded) {
            resolve(s);
        }
        return !s->shielded;
    });
    std::erase_if(conditions_, [this](const auto& c) {
        if (!c->shielded) {
            c->held = c->holds();
            resolve(c);
        }
        return !c->shielded;
    });
}

void workflow_run::run_until_blocked() {
    if (std::exchange(root_fresh_, false)) {
        root_.handle_.resume();
    }
    do {
        while (!ready_.empty()) {
            auto next = std::move(ready_.front());
            ready_.pop_front();
            if (auto waiter = std::exchange(next->waiter, nullptr)) {
                waiter.resume();
            }
        }
        wake_conditions();
    } while (!ready_.empty());
    if (root_.handle_ && root_.handle_.done()) {
        finish();
    }
}

void workflow_run::wake_conditions() {
    std::erase_if(conditions_, [this](const auto& c) {
        if (!c->holds()) {
            return false;
        }
        c->held = true;
        resolve(c);
        return true;
    });
}

void workflow_run::finish() {
    outcome<std::string> end;
    try {
        end = root_.take();
    } catch (const workflow_failure& e) {
        end = std::unexpected(e.what_failed());
    }
    if (end && end->size() > payload_bytes_max) {
        end = std::unexpected(
            failure::application("payload_too_large", "the workflow's result is too large", true));
    }
    closed_ = true;
    if (end) {
        emit(command::complete_workflow_execution{std::move(*end)});
    } else if (cancelled_ && end.error().is_cancelled()) {
        emit(command::cancel_workflow_execution{});
    } else {
        emit(command::fail_workflow_execution{std::move(end.error())});
    }
    // Queries go on after the end, from kept values; nothing else does.
    root_ = {};
    timers_.clear();
    activities_.clear();
    signals_.clear();
}

void workflow_run::evict() {
    ready_.clear();
    conditions_.clear();
    signal_waiters_.clear();
    queries_.clear();
    root_ = {};
    timers_.clear();
    activities_.clear();
    kept_.clear();
}

void workflow_run::resolve(const std::shared_ptr<detail::wait_state>& s) {
    s->ready = true;
    ready_.push_back(s);
}

void workflow_run::emit(workflow_command c) {
    if (querying_) {
        throw std::logic_error("a query handler has side effects");
    }
    if (commands_.size() >= commands_max) {
        throw std::length_error("too many commands in one activation");
    }
    commands_.push_back(std::move(c));
}

// splitmix64
std::uint64_t workflow_run::next_random() {
    random_ += 0x9e3779b97f4a7c15;
    std::uint64_t z = random_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

namespace detail {

void look(activity_state&) {}
void look(timer_state&) {}

void look(signal_state& s) {
    auto& waiting = s.run->signals_[s.name];
    if (!waiting.empty()) {
        s.value = std::move(waiting.front());
        waiting.pop_front();
        s.ready = true;
    } else {
        s.ready = s.run->cancellation_reaches(s.shielded);
    }
}

void look(condition_state& c) {
    c.held = c.holds();
    c.ready = c.held || c.run->cancellation_reaches(c.shielded);
}

void enlist(const std::shared_ptr<activity_state>&) {}
void enlist(const std::shared_ptr<timer_state>&) {}

void enlist(const std::shared_ptr<signal_state>& s) {
    s->run->signal_waiters_.push_back(s);
}

void enlist(const std::shared_ptr<condition_state>& c) {
    c->run->conditions_.push_back(c);
}

}  // namespace detail

bool signal_future::ready() const {
    const auto it = state_->run->signals_.find(state_->name);
    return it != state_->run->signals_.end() && !it->second.empty();
}

}  // namespace vora::durable
