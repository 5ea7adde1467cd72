#pragma once
// Template bodies of async.hpp.

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

namespace vora {

template <class T>
T event_loop::run_until_done(task<T> t) {
    bool done = false;
    std::exception_ptr failure;
    if constexpr (std::is_void_v<T>) {
        boost::asio::co_spawn(executor(), std::move(t), [&](std::exception_ptr e) {
            failure = e;
            done = true;
        });
        run_until(done);
        if (failure) {
            std::rethrow_exception(failure);
        }
    } else {
        std::optional<T> value;
        boost::asio::co_spawn(executor(), std::move(t), [&](std::exception_ptr e, T v) {
            failure = e;
            if (!e) {
                value.emplace(std::move(v));
            }
            done = true;
        });
        run_until(done);
        if (failure) {
            std::rethrow_exception(failure);
        }
        return std::move(*value);
    }
}

template <class T>
task<result<T>> with_deadline(task<result<T>> t, std::chrono::milliseconds limit) {
    auto ex = co_await boost::asio::this_coro::executor;
    auto outer = co_await boost::asio::this_coro::cancellation_state;
    struct shared {
        explicit shared(const executor& e) : timer(e) {}
        boost::asio::cancellation_signal signal;
        boost::asio::steady_timer timer;
        bool expired = false;
        bool finished = false;
    };
    auto s = std::make_shared<shared>(ex);
    s->timer.expires_after(limit);
    s->timer.async_wait([s](boost::system::error_code ec) {
        if (!ec && !s->finished) {
            s->expired = true;
            s->signal.emit(boost::asio::cancellation_type::terminal);
        }
    });
    // An outer cancellation is passed on to the inner coroutine.
    if (outer.slot().is_connected()) {
        outer.slot().assign([s](boost::asio::cancellation_type type) {
            if (!s->finished) {
                s->signal.emit(type);
            }
        });
    }
    std::optional<result<T>> value;
    std::exception_ptr failure;
    try {
        value.emplace(co_await boost::asio::co_spawn(
            ex, std::move(t),
            boost::asio::bind_cancellation_slot(s->signal.slot(), boost::asio::use_awaitable)));
    } catch (...) {
        failure = std::current_exception();
    }
    s->finished = true;
    s->timer.cancel();
    if (value) {
        co_return std::move(*value);
    }
    if (s->expired) {
        co_return fail(errc::deadline_exceeded, "deadline_exceeded");
    }
    std::rethrow_exception(failure);
}

}  // namespace vora
