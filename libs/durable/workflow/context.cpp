#include "libs/durable/workflow/run.hpp"
#include "libs/durable/workflow/workflow.hpp"

#include <stdexcept>

namespace vora::durable {

const std::string& context::workflow_id() const {
    return run_->workflow_id_;
}

timestamp context::now() const {
    return run_->now_;
}

bool context::is_replaying() const {
    return run_->replaying_;
}

bool context::is_cancelled() const {
    return run_->cancelled_;
}

activity_future context::call_raw(std::string name, std::string input, activity_options options) {
    auto state = std::make_shared<detail::activity_state>();
    state->shielded = run_->shielded();
    auto refuse = [&](failure why) {
        state->value = std::unexpected(failure::activity(name, std::move(why)));
        state->ready = true;
        return activity_future(state);
    };
    if (run_->cancellation_reaches(state->shielded)) {
        return refuse(failure::cancelled());
    }
    if (input.size() > payload_bytes_max) {
        return refuse(
            failure::application("payload_too_large", "pass references, not data: " + name, true));
    }
    if (options.start_to_close_timeout <= milliseconds(0)) {
        throw std::logic_error("start_to_close_timeout is required: " + name);
    }
    command::schedule_activity schedule;
    schedule.seq = run_->next_activity_seq_;
    schedule.activity_type = std::move(name);
    schedule.input = std::move(input);
    schedule.options = std::move(options);
    run_->emit(std::move(schedule));
    state->seq = run_->next_activity_seq_++;
    run_->activities_[state->seq] = state;
    return activity_future(state);
}

timer_future context::sleep(milliseconds duration) {
    auto state = std::make_shared<detail::timer_state>();
    state->shielded = run_->shielded();
    if (run_->cancellation_reaches(state->shielded)) {
        state->ready = true;
        return timer_future(state);
    }
    run_->emit(command::start_timer{run_->next_timer_seq_, duration});
    state->seq = run_->next_timer_seq_++;
    run_->timers_[state->seq] = state;
    return timer_future(state);
}

void context::cancel(const activity_future& activity) {
    auto& state = *activity.state_;
    if (!state.ready && !std::exchange(state.cancel_sent, true)) {
        run_->emit(command::request_cancel_activity{state.seq});
    }
}

void context::cancel(const timer_future& timer) {
    auto state = timer.state_;
    if (state->ready) {
        return;
    }
    run_->emit(command::cancel_timer{state->seq});
    run_->timers_.erase(state->seq);
    run_->resolve(state);
}

signal_future context::next_signal(std::string name) {
    auto state = std::make_shared<detail::signal_state>();
    state->run = run_;
    state->name = std::move(name);
    state->shielded = run_->shielded();
    return signal_future(state);
}

condition_future context::wait_until(std::function<bool()> f) {
    auto state = std::make_shared<detail::condition_state>();
    state->run = run_;
    state->holds = std::move(f);
    state->shielded = run_->shielded();
    return condition_future(state);
}

void context::on_query(std::string name, std::function<std::string(std::string input)> f) {
    run_->queries_[std::move(name)] = std::move(f);
}

void context::keep_alive(std::shared_ptr<void> kept) {
    run_->kept_.push_back(std::move(kept));
}

context::cancellation_shield::cancellation_shield(context& ctx) : alive_(ctx.run_->shields_) {
    ++*ctx.run_->shields_;
}

context::cancellation_shield::~cancellation_shield() {
    if (auto depth = alive_.lock()) {
        --*depth;
    }
}

bool context::patched(const std::string& id) {
    const auto known = run_->patches_.find(id);
    if (known != run_->patches_.end()) {
        return known->second;
    }
    const bool answer = run_->patches_notified_.contains(id) || !run_->replaying_;
    if (answer) {
        run_->emit(command::set_patch_marker{id});
    }
    run_->patches_[id] = answer;
    return answer;
}

void context::log(std::string event, std::string detail) {
    if (!run_->replaying_ && run_->log_) {
        run_->log_(run_->workflow_id_, event, detail);
    }
}

std::string context::new_id() {
    static constexpr char digits[] = "0123456789abcdef";
    std::uint64_t high = run_->next_random();
    std::uint64_t low = run_->next_random();
    high = (high & 0xffffffffffff0fff) | 0x0000000000004000;  // RFC 9562: version 4
    low = (low & 0x3fffffffffffffff) | 0x8000000000000000;    // and its variant
    std::string id;
    for (int i = 0; i < 32; ++i) {
        if (i == 8 || i == 12 || i == 16 || i == 20) {
            id += '-';
        }
        const std::uint64_t half = i < 16 ? high : low;
        id += digits[(half >> (60 - 4 * (i % 16))) & 0xf];
    }
    return id;
}

void workflow_registry::add(std::string name, workflow_function f) {
    functions_[std::move(name)] = std::move(f);
}

const workflow_function* workflow_registry::find(const std::string& name) const {
    const auto it = functions_.find(name);
    return it == functions_.end() ? nullptr : &it->second;
}

}  // namespace vora::durable
