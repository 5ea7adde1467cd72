#pragma once
// What the analytics answers say, and over which time. docs/analytics.md says what each figure
// means.

#include "libs/base/clock.hpp"
#include "libs/base/result.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace vora::dashboard {

inline constexpr std::size_t series_points = 60;

// Events with from <= event_time < until are counted, in series_points equal parts of [from, to).
// `until` lies behind `to` only when the end was left open: a client's clock may be ahead of ours,
// and what happened just now is not to be missed. Such events count in the last part.
struct time_window {
    timestamp from;
    timestamp to;
    timestamp until;

    // Where part i begins.
    timestamp start_of(std::size_t i) const;
};

// RFC 3339; without `to` until now, without `from` the 7 days before `to`. invalid_argument
// ("bad_time_range") for what is no time, an end that is not after the beginning, more than 400
// days.
result<time_window> make_window(std::optional<std::string_view> from,
                                std::optional<std::string_view> to, timestamp now);

struct quantiles {
    std::optional<double> p50;
    std::optional<double> p95;
};

struct report_part {
    std::uint64_t plays = 0;
    double watch_ms = 0;
    double stalled_ms = 0;
    quantiles startup_ms;
};

struct analytics_report {
    std::uint64_t plays = 0;
    std::uint64_t viewers = 0;
    quantiles startup_ms;
    std::uint64_t rebuffer_count = 0;
    std::optional<double> average_bitrate;
    std::uint64_t errors = 0;
    std::array<report_part, series_points> parts;

    double watch_ms() const;
    double stalled_ms() const;
};

// stalled / (stalled + watched); 0 when there was neither.
double rebuffer_ratio(double stalled_ms, double watch_ms);

}  // namespace vora::dashboard
