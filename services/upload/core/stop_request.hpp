#pragma once
// How one coroutine asks another to stop at its next wait for the client and to put what it has in
// order. A server that shuts down asks the same way, so that received bytes are stored before the
// end.

#include "libs/base/async.hpp"

#include <boost/asio/cancellation_signal.hpp>

namespace vora::upload {

class stop_request {
 public:
    enum class reason { none, taken_over, cancelled };

    // The first reason stands. May be called at any time on the loop.
    void ask(reason r);
    reason asked() const { return reason_; }

    // Awaits t, which ends early when a stop is asked for: aborted ("upload_taken_over").
    task<result<std::size_t>> guard(task<result<std::size_t>> t);

    // From here on a cancellation of this coroutine only asks for a stop, and all other waits run
    // to their end: storing must not be cut in the middle. `this` outlives the coroutine or
    // end_shield().
    task<> begin_shield();
    // Back to normal. Throws operation_aborted when a cancellation came meanwhile.
    task<> end_shield();

 private:
    boost::asio::cancellation_signal signal_;
    reason reason_ = reason::none;
};

}  // namespace vora::upload
