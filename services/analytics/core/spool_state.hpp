#pragma once
// What the spool knows beyond its segments: how far it is drained, and the batch that was begun.
//
// The batch is written down before it is sent. A process that dies anywhere between then and the
// acknowledgement sends the same rows again under the same token, and ClickHouse, which knows the
// token, stores them once. Were the borders of a batch found anew, the token would be another one
// and its rows would be there twice.

#include "services/analytics/core/ledger.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vora::analytics {

struct spool_state {
    std::uint64_t sequence = 0;  // of two states the higher one holds
    std::string spool_id;
    std::uint64_t segment = 0;   // everything before it is settled
    std::uint64_t offset = 0;    // a record's, at or before `row`
    std::uint64_t row = 0;       // the first that is not settled
    std::uint64_t plan_end = 0;  // rows [row, plan_end) may have been sent; not above row: none
    totals settled;              // stored and dropped; accepted and spooled are not kept

    bool has_plan() const { return plan_end > row; }
    bool operator==(const spool_state&) const = default;
};

// Text with a checksum, at most state_bytes_max.
inline constexpr std::size_t state_bytes_max = 4096;
std::string encode_state(const spool_state& s);
// nullopt: never written, torn or damaged. What follows the checksum is not looked at.
std::optional<spool_state> parse_state(std::string_view text);

}  // namespace vora::analytics
