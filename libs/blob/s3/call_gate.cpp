#include "libs/blob/s3/call_gate.hpp"

#include <algorithm>

namespace vora::blob {

// Lives in the frame of enter(): whether it ends by a grant, the limit or a cancellation, it leaves
// neither itself in the queue nor a place without an owner.
struct call_gate::waiter {
    waiter(call_gate& g, executor ex) : gate(g), woken(std::move(ex)) {
        gate.waiting_.push_back(this);
    }
    ~waiter() {
        std::erase(gate.waiting_, this);
        if (granted && !taken) {
            gate.leave();
        }
    }
    waiter(const waiter&) = delete;

    call_gate& gate;
    wake_signal woken;
    bool granted = false;
    bool taken = false;
};

task<result<call_gate::place>> call_gate::enter(std::chrono::milliseconds limit) {
    if (free_ > 0) {
        --free_;
        co_return place(*this);
    }
    const auto ex = co_await current_executor();
    waiter self(*this, ex);
    co_await self.woken.wait(limit);
    if (!self.granted) {
        co_return fail(errc::deadline_exceeded, "deadline_exceeded", "too many calls wait");
    }
    self.taken = true;
    co_return place(*this);
}

void call_gate::leave() {
    if (waiting_.empty()) {
        ++free_;
        return;
    }
    auto* next = waiting_.front();
    waiting_.pop_front();
    next->granted = true;
    next->woken.notify();
}

}  // namespace vora::blob
