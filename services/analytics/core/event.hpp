#pragma once
// One playback event as it is stored, and the rules that outside values must keep. What breaks a
// rule drops the event alone, under a reason that is counted.

#include "libs/base/clock.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace vora::analytics {

// Why an event is not stored. The names are metric labels and stand in the spool's state file.
enum class drop_reason : std::uint8_t {
    bad_shape,   // no object, or a member of the wrong JSON type
    bad_type,    // event_type is none of the table's
    bad_id,      // video_id, user_id or session_id
    bad_time,    // event_time is neither RFC 3339 nor a number
    bad_number,  // negative, not finite or too large
    bad_detail,
    spool_full,   // the budget, or the disk
    spool_error,  // the disk fails
    spool_busy,   // the disk is slower than the events come
    damaged,      // was written, cannot be read
    quarantined,  // ClickHouse refuses this row
};
inline constexpr std::array<std::string_view, 11> drop_reason_names = {
    "bad_shape",  "bad_type",    "bad_id",     "bad_time", "bad_number", "bad_detail",
    "spool_full", "spool_error", "spool_busy", "damaged",  "quarantined"};
inline constexpr std::size_t drop_reasons = drop_reason_names.size();

constexpr std::string_view to_string(drop_reason r) {
    return drop_reason_names[static_cast<std::size_t>(r)];
}

inline constexpr std::size_t id_bytes_max = 64;
inline constexpr std::size_t detail_bytes_max = 256;
// 2^40: 34 years in ms, a terabit per second. Sums of 16 million such values fit 64 bits.
inline constexpr std::uint64_t number_max = std::uint64_t{1} << 40;
// Of seq: a double of the client holds it exactly.
inline constexpr std::uint64_t seq_max = std::uint64_t{1} << 53;
inline constexpr std::chrono::hours past_max{7 * 24};
inline constexpr std::chrono::minutes future_max{5};

// Texts are borrowed; absent ones are empty, absent numbers 0.
struct event {
    timestamp event_time{};
    std::string_view video_id{};
    std::string_view user_id{};
    std::string_view event_type{};
    std::string_view session_id{};
    std::uint64_t seq = 0;
    std::uint64_t position_ms = 0;
    std::uint64_t value = 0;
    std::string_view detail{};
    timestamp received_at{};
};

bool is_event_type(std::string_view text);
// UTF-8 without control characters (C0, DEL, C1), at most bytes_max; the empty text is one.
bool is_printable(std::string_view text, std::size_t bytes_max);
// Into [received - 7 days, received + 5 minutes]: one hostile clock must not spread a batch over
// more partitions than ClickHouse takes in one insert.
timestamp clamp_time(timestamp event_time, timestamp received);

}  // namespace vora::analytics
