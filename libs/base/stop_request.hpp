#pragma once
// How one coroutine asks another to stop at its next guarded wait and to put what it has in order.
// Cancellation asks the same way, so that a server that shuts down still stores what it received.

#include "libs/base/async.hpp"

#include <boost/asio/cancellation_signal.hpp>

namespace vora {

class stop_request {
 public:
    enum class reason { none, taken_over, failed, cancelled };

    // The first reason stands. May be called at any time on the loop.
    void ask(reason r);
    reason asked() const { return reason_; }

    // Awaits t, which ends early when a stop is asked for: aborted ("stop_requested").
    task<result<std::size_t>> guard(task<result<std::size_t>> t);
    // The same without waiting: `done` is called on the loop. One at a time.
    using completion = std::function<void(std::exception_ptr, result<std::size_t>)>;
    void start(const executor& ex, task<result<std::size_t>> t, completion done);

    // From here on a cancellation of this coroutine only asks for a stop, and all other waits run
    // to their end: storing must not be cut in the middle. `this` outlives the coroutine or
    // end_shield().
    task<> begin_shield();
    // Back to normal. Throws operation_aborted when a cancellation came meanwhile.
    task<> end_shield();

 private:
    task<result<std::size_t>> run(task<result<std::size_t>> t);

    boost::asio::cancellation_signal signal_;
    reason reason_ = reason::none;
};

}  // namespace vora
