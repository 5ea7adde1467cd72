#include "libs/base/stop_request.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>

namespace asio = boost::asio;

namespace vora {

namespace {

struct cancellation_to_request {
    stop_request* request;
    asio::cancellation_type operator()(asio::cancellation_type) const {
        request->ask(stop_request::reason::cancelled);
        return asio::cancellation_type::none;
    }
};

}  // namespace

void stop_request::ask(reason r) {
    if (reason_ == reason::none) {
        reason_ = r;
    }
    signal_.emit(asio::cancellation_type::terminal);
}

// A wait that was ended by ask() is no exception but an answer.
task<result<std::size_t>> stop_request::run(task<result<std::size_t>> t) {
    if (reason_ != reason::none) {
        co_return fail(errc::aborted, "stop_requested");
    }
    try {
        auto r = co_await std::move(t);
        co_return r;
    } catch (const boost::system::system_error& e) {
        if (e.code() != asio::error::operation_aborted || reason_ == reason::none) {
            throw;
        }
    }
    co_return fail(errc::aborted, "stop_requested");
}

task<result<std::size_t>> stop_request::guard(task<result<std::size_t>> t) {
    auto ex = co_await asio::this_coro::executor;
    auto r = co_await asio::co_spawn(
        ex, run(std::move(t)), asio::bind_cancellation_slot(signal_.slot(), asio::use_awaitable));
    co_return r;
}

void stop_request::start(const executor& ex, task<result<std::size_t>> t, completion done) {
    asio::co_spawn(ex, run(std::move(t)),
                   asio::bind_cancellation_slot(signal_.slot(), std::move(done)));
}

task<> stop_request::begin_shield() {
    co_await asio::this_coro::reset_cancellation_state(cancellation_to_request{this});
}

task<> stop_request::end_shield() {
    co_await asio::this_coro::reset_cancellation_state();
    if (reason_ == reason::cancelled) {
        throw boost::system::system_error(asio::error::operation_aborted);
    }
}

}  // namespace vora
