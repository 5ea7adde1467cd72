#include "services/upload/core/byte_budget.hpp"

#include "libs/base/assert.hpp"

#include <algorithm>

namespace vora::upload {

struct byte_budget::waiter {
    waiter(executor ex, std::uint64_t n) : signal(std::move(ex)), bytes(n) {}
    wake_signal signal;
    std::uint64_t bytes;
    bool granted = false;
};

byte_budget::lease::~lease() {
    if (from_ != nullptr) {
        from_->give(bytes_);
    }
}

void byte_budget::lease::shrink_to(std::uint64_t n) {
    if (bytes_ > n) {
        from_->give(bytes_ - n);
        bytes_ = n;
    }
}

void byte_budget::lease::add(lease other) {
    if (from_ == nullptr) {
        std::swap(from_, other.from_);
    }
    bytes_ += std::exchange(other.bytes_, 0);
}

byte_budget::byte_budget(executor ex, std::uint64_t bytes_max, std::uint64_t reserve_bytes)
    : executor_(std::move(ex)), bytes_max_(bytes_max), reserve_(reserve_bytes) {
    VORA_ASSERT(reserve_bytes < bytes_max);
}

byte_budget::~byte_budget() = default;

bool byte_budget::fits(std::uint64_t bytes, kind k) const {
    return used_ + bytes <= bytes_max_ - (k == kind::more ? reserve_ : 0);
}

void byte_budget::give(std::uint64_t bytes) {
    VORA_ASSERT(used_ >= bytes);
    used_ -= bytes;
    wake();
}

void byte_budget::wake() {
    for (const auto k : {kind::first, kind::more}) {
        auto& waiters = k == kind::first ? first_waiters_ : more_waiters_;
        while (!waiters.empty() && fits(waiters.front()->bytes, k)) {
            auto* w = waiters.front();
            waiters.pop_front();
            used_ += w->bytes;
            w->granted = true;
            w->signal.notify();
        }
    }
}

task<result<byte_budget::lease>> byte_budget::take(std::uint64_t bytes, kind k,
                                                   std::chrono::milliseconds limit) {
    bytes = std::min(bytes, bytes_max_ - (k == kind::more ? reserve_ : 0));
    auto& waiters = k == kind::first ? first_waiters_ : more_waiters_;
    if (waiters.empty() && fits(bytes, k)) {
        used_ += bytes;
        co_return lease(*this, bytes);
    }
    waiter w(executor_, bytes);
    waiters.push_back(&w);
    // On the way out, also by cancellation: leave the queue, or give back what was granted
    // meanwhile.
    struct leave {
        byte_budget& budget;
        std::list<waiter*>& queue;
        waiter& self;
        bool keep = false;
        ~leave() {
            if (!self.granted) {
                queue.remove(&self);
            } else if (!keep) {
                budget.give(self.bytes);
            }
        }
    } on_exit{*this, waiters, w};
    co_await w.signal.wait(limit);
    if (!w.granted) {
        co_return fail(errc::resource_exhausted, "no_memory");
    }
    on_exit.keep = true;
    co_return lease(*this, bytes);
}

}  // namespace vora::upload
