#include "libs/base/async.hpp"

#include "libs/base/assert.hpp"
#include "libs/base/post.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include <list>

namespace asio = boost::asio;

namespace vora {

blocking_pool::blocking_pool(std::size_t threads) : pool_(threads) {}

blocking_pool::~blocking_pool() {
    pool_.join();
}

void blocking_pool::post(std::function<void()> f) {
    asio::post(pool_, std::move(f));
}

void blocking_pool::join() {
    pool_.join();
}

struct event_loop::state {
    asio::io_context context{1};
};

event_loop::event_loop() : state_(std::make_unique<state>()) {}
event_loop::~event_loop() = default;

executor event_loop::executor() {
    return state_->context.get_executor();
}

void event_loop::run() {
    auto guard = asio::make_work_guard(state_->context);
    state_->context.run();
}

void event_loop::stop() {
    state_->context.stop();
}

void event_loop::run_until(const bool& done) {
    auto guard = asio::make_work_guard(state_->context);
    state_->context.restart();
    while (!done) {
        state_->context.run_one();
    }
}

struct task_group::state {
    explicit state(executor e) : ex(std::move(e)), empty(ex) {}
    executor ex;
    std::list<asio::cancellation_signal> running;
    asio::steady_timer empty;  // cancelled when the last coroutine ends: wakes join()
    std::function<void(const std::string&)> on_error;
    bool stopping = false;

    void report(const std::exception_ptr& failure) {
        if (!failure) {
            return;
        }
        try {
            std::rethrow_exception(failure);
        } catch (const boost::system::system_error& e) {
            if (e.code() == asio::error::operation_aborted) {
                return;
            }
            call_on_error(e.what());
        } catch (const std::exception& e) {
            call_on_error(e.what());
        }
    }
    void call_on_error(const char* what) {
        if (on_error) {
            on_error(what);
            return;
        }
        std::fprintf(stderr, "a coroutine ended with: %s\n", what);
        std::abort();
    }
};

task_group::task_group(executor ex) : state_(std::make_shared<state>(std::move(ex))) {}

task_group::~task_group() {
    VORA_ASSERT(state_->running.empty());
}

void task_group::on_error(std::function<void(const std::string&)> f) {
    state_->on_error = std::move(f);
}

std::size_t task_group::size() const {
    return state_->running.size();
}

void task_group::spawn(task<> t) {
    auto signal = state_->running.emplace(state_->running.end());
    asio::co_spawn(state_->ex, std::move(t),
                   asio::bind_cancellation_slot(signal->slot(),
                                                [s = state_, signal](std::exception_ptr failure) {
                                                    s->running.erase(signal);
                                                    s->report(failure);
                                                    if (s->running.empty()) {
                                                        s->empty.cancel();
                                                    }
                                                }));
    if (state_->stopping) {
        asio::post(state_->ex, [s = state_] {
            for (auto& running : s->running) {
                running.emit(asio::cancellation_type::terminal);
            }
        });
    }
}

task<> task_group::join() {
    while (!state_->running.empty()) {
        state_->empty.expires_at(asio::steady_timer::time_point::max());
        boost::system::error_code ignored;
        co_await state_->empty.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
}

task<> task_group::stop() {
    state_->stopping = true;
    // A coroutine that is between two waits misses one signal, so it is repeated until all have
    // ended.
    while (!state_->running.empty()) {
        std::vector<asio::cancellation_signal*> signals;
        for (auto& running : state_->running) {
            signals.push_back(&running);
        }
        for (auto* signal : signals) {
            bool alive = false;
            for (auto& running : state_->running) {
                alive = alive || &running == signal;
            }
            if (alive) {
                signal->emit(asio::cancellation_type::terminal);
            }
        }
        if (state_->running.empty()) {
            break;
        }
        state_->empty.expires_after(std::chrono::milliseconds(20));
        boost::system::error_code ignored;
        co_await state_->empty.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
}

task<executor> current_executor() {
    co_return co_await asio::this_coro::executor;
}

task<> sleep_for(std::chrono::milliseconds duration) {
    asio::steady_timer timer(co_await asio::this_coro::executor);
    timer.expires_after(duration);
    co_await timer.async_wait(asio::use_awaitable);
}

struct wake_signal::state {
    explicit state(const executor& ex) : timer(ex) {}
    asio::steady_timer timer;
    bool notified = false;
};

wake_signal::wake_signal(executor ex) : state_(std::make_unique<state>(ex)) {}
wake_signal::~wake_signal() = default;

void wake_signal::notify() {
    state_->notified = true;
    state_->timer.cancel();
}

task<bool> wake_signal::wait(std::chrono::milliseconds limit) {
    if (!state_->notified) {
        state_->timer.expires_after(limit);
        boost::system::error_code ec;
        co_await state_->timer.async_wait(asio::redirect_error(asio::use_awaitable, ec));
        auto cancelled = co_await asio::this_coro::cancellation_state;
        if (ec && !state_->notified && cancelled.cancelled() != asio::cancellation_type::none) {
            throw boost::system::system_error(ec);
        }
    }
    co_return std::exchange(state_->notified, false);
}

void post_to(const executor& ex, std::function<void()> f) {
    boost::asio::post(ex, std::move(f));
}

}  // namespace vora
