#pragma once
// At most so many at once; who comes later waits in order. One loop.

#include "libs/base/async.hpp"

#include <deque>
#include <utility>

namespace vora::blob {

class call_gate {
 public:
    explicit call_gate(std::size_t places) : free_(places) {}
    call_gate(const call_gate&) = delete;

    // Holds a place until it is destroyed. The gate must outlive it.
    class place {
     public:
        explicit place(call_gate& gate) : gate_(&gate) {}
        place(place&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
        place& operator=(place&&) = delete;
        ~place() {
            if (gate_ != nullptr) {
                gate_->leave();
            }
        }

     private:
        call_gate* gate_;
    };

    // deadline_exceeded ("deadline_exceeded") after `limit`.
    task<result<place>> enter(std::chrono::milliseconds limit);

 private:
    struct waiter;
    void leave();

    std::size_t free_;
    std::deque<waiter*> waiting_;
};

}  // namespace vora::blob
