#pragma once
// A global count of bytes that buffers may hold. When it is gone, takers wait in order: the socket
// behind them stops (back-pressure), memory does not grow. One loop.

#include "libs/base/async.hpp"

#include <chrono>
#include <cstdint>
#include <list>
#include <utility>

namespace vora::upload {

class byte_budget {
 public:
    // Bytes taken, given back at the end of its life.
    class lease {
     public:
        lease() = default;
        lease(byte_budget& from, std::uint64_t bytes) : from_(&from), bytes_(bytes) {}
        lease(lease&& other) noexcept
            : from_(std::exchange(other.from_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
        lease& operator=(lease&& other) noexcept {
            std::swap(from_, other.from_);
            std::swap(bytes_, other.bytes_);
            return *this;
        }
        ~lease();
        std::uint64_t bytes() const { return bytes_; }
        // Gives back what is above n.
        void shrink_to(std::uint64_t n);
        // Two leases of one budget become one.
        void add(lease other);

     private:
        byte_budget* from_ = nullptr;
        std::uint64_t bytes_ = 0;
    };

    // `reserve_bytes` of it are only for takers that say they are `first`: one that holds nothing
    // yet.
    byte_budget(executor ex, std::uint64_t bytes_max, std::uint64_t reserve_bytes = 0);
    ~byte_budget();
    byte_budget(const byte_budget&) = delete;

    enum class kind { first, more };
    // resource_exhausted ("no_memory") after `limit`. More than the whole budget is cut to it.
    task<result<lease>> take(std::uint64_t bytes, kind k, std::chrono::milliseconds limit);
    std::uint64_t used_bytes() const { return used_; }

 private:
    struct waiter;
    bool fits(std::uint64_t bytes, kind k) const;
    void give(std::uint64_t bytes);
    void wake();

    executor executor_;
    std::uint64_t bytes_max_;
    std::uint64_t reserve_;
    std::uint64_t used_ = 0;
    std::list<waiter*> first_waiters_;
    std::list<waiter*> more_waiters_;
};

}  // namespace vora::upload
