#pragma once
// The books: accepted = stored + spooled + dropped, at every moment. Events are accepted when their
// request is answered with 204, whatever becomes of them. One loop; no locks.
//
// With a log that several processes share each has books of its own: accepted + taken_over =
// stored + spooled + dropped + handed_over.

#include "services/analytics/core/event.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <numeric>

namespace vora::analytics {

// Over the life of the data directory: the spool keeps them with its position.
struct totals {
    std::uint64_t accepted = 0;
    std::uint64_t stored = 0;
    std::uint64_t spooled = 0;
    std::array<std::uint64_t, drop_reasons> dropped{};
    std::uint64_t handed_over = 0;  // to the shared log
    std::uint64_t taken_over = 0;   // from it, whoever put them there

    std::uint64_t& of(drop_reason r) { return dropped[static_cast<std::size_t>(r)]; }
    std::uint64_t of(drop_reason r) const { return dropped[static_cast<std::size_t>(r)]; }
    std::uint64_t dropped_sum() const {
        return std::accumulate(dropped.begin(), dropped.end(), std::uint64_t{0});
    }
    bool operator==(const totals&) const = default;
};

class ledger {
 public:
    using listener = std::function<void(const totals&)>;

    // Called after each change.
    void on_change(listener f) { listener_ = std::move(f); }
    const totals& now() const { return totals_; }

    // New events: written to the spool, or not.
    void spool(std::uint64_t events) {
        totals_.accepted += events;
        totals_.spooled += events;
        changed();
    }
    void refuse(drop_reason why, std::uint64_t events) {
        totals_.accepted += events;
        totals_.of(why) += events;
        changed();
    }
    // Spooled events leave the spool.
    void store(std::uint64_t events) {
        take_out(events);
        totals_.stored += events;
        changed();
    }
    void lose(drop_reason why, std::uint64_t events) {
        take_out(events);
        totals_.of(why) += events;
        changed();
    }
    // Spooled events are in the shared log now, for any process.
    void hand_over(std::uint64_t events) {
        take_out(events);
        totals_.handed_over += events;
        changed();
    }
    // Events of the shared log are spooled here: store() or lose() follows at once.
    void take_over(std::uint64_t events) {
        totals_.taken_over += events;
        totals_.spooled += events;
        changed();
    }
    // What an earlier run settled. Its spooled events are entered by spool() when they are found.
    void carry_over(const totals& settled) {
        totals_.accepted += settled.stored + settled.dropped_sum();
        totals_.stored += settled.stored;
        for (std::size_t i = 0; i < drop_reasons; ++i) {
            totals_.dropped[i] += settled.dropped[i];
        }
        changed();
    }

 private:
    void changed() {
        if (listener_) {
            listener_(totals_);
        }
    }
    // What comes out must have gone in, even if a damaged file hid it from the count.
    void take_out(std::uint64_t events) {
        if (events > totals_.spooled) {
            totals_.accepted += events - totals_.spooled;
            totals_.spooled = events;
        }
        totals_.spooled -= events;
    }

    totals totals_;
    listener listener_;
};

}  // namespace vora::analytics
