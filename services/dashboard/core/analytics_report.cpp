#include "services/dashboard/core/analytics_report.hpp"

#include <string>

namespace vora::dashboard {

namespace {

constexpr auto range_default = std::chrono::days(7);
constexpr auto range_max = std::chrono::days(400);
// As far as analytics lets an event's time be ahead of its arrival.
constexpr auto clock_ahead_max = std::chrono::minutes(5);
// What ClickHouse's DateTime64 holds, with room.
constexpr timestamp earliest = std::chrono::sys_days(std::chrono::year(1971) / 1 / 1);
constexpr timestamp latest = std::chrono::sys_days(std::chrono::year(2200) / 1 / 1);

std::unexpected<error> bad(std::string detail) {
    return fail(errc::invalid_argument, "bad_time_range", std::move(detail));
}

result<timestamp> parse(std::string_view name, std::string_view text) {
    const auto at = from_rfc3339(text);
    if (!at) {
        return bad(std::string(name) + " is not a time as RFC 3339 writes it");
    }
    if (*at < earliest || *at > latest) {
        return bad(std::string(name) + " is out of range");
    }
    return *at;
}

}  // namespace

timestamp time_window::start_of(std::size_t i) const {
    return from + (to - from) * static_cast<std::int64_t>(i) / series_points;
}

result<time_window> make_window(std::optional<std::string_view> from,
                                std::optional<std::string_view> to, timestamp now) {
    time_window w{now, now, now + clock_ahead_max};
    if (to) {
        const auto end = parse("to", *to);
        if (!end) {
            return fail(end.error());
        }
        w.to = w.until = *end;
    }
    w.from = w.to - range_default;
    if (from) {
        const auto start = parse("from", *from);
        if (!start) {
            return fail(start.error());
        }
        w.from = *start;
    }
    if (w.from >= w.to) {
        return bad("from must be before to");
    }
    if (w.to - w.from > range_max) {
        return bad("at most 400 days can be asked for at once");
    }
    return w;
}

double analytics_report::watch_ms() const {
    double sum = 0;
    for (const auto& part : parts) {
        sum += part.watch_ms;
    }
    return sum;
}

double analytics_report::stalled_ms() const {
    double sum = 0;
    for (const auto& part : parts) {
        sum += part.stalled_ms;
    }
    return sum;
}

double rebuffer_ratio(double stalled_ms, double watch_ms) {
    const double all = stalled_ms + watch_ms;
    return all > 0 ? stalled_ms / all : 0;
}

}  // namespace vora::dashboard
