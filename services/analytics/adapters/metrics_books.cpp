#include "services/analytics/adapters/metrics_books.hpp"

namespace vora::analytics {

namespace {

// Counters only grow, so the difference is added.
void raise(obs::counter& c, std::uint64_t& shown, std::uint64_t now) {
    if (now > shown) {
        c.add(static_cast<double>(now - shown));
        shown = now;
    }
}

}  // namespace

metrics_books::metrics_books(obs::metrics& m)
    : accepted_(m.counter("vora_analytics_events_accepted_total",
                          "events of requests that were answered with 204; goes on over restarts")),
      stored_(m.counter("vora_analytics_events_stored_total", "events that ClickHouse has taken")),
      spooled_(m.gauge("vora_analytics_events_spooled", "events on disk, not yet stored")) {
    for (std::size_t i = 0; i < drop_reasons; ++i) {
        dropped_[i] = &m.counter("vora_analytics_events_dropped_total",
                                 "events that will never be stored, by reason",
                                 {{"reason", std::string(drop_reason_names[i])}});
    }
}

void metrics_books::show(const totals& t) {
    raise(accepted_, shown_.accepted, t.accepted);
    raise(stored_, shown_.stored, t.stored);
    for (std::size_t i = 0; i < drop_reasons; ++i) {
        raise(*dropped_[i], shown_.dropped[i], t.dropped[i]);
    }
    if (t.spooled != shown_.spooled) {
        spooled_.set(static_cast<double>(t.spooled));
        shown_.spooled = t.spooled;
    }
}

}  // namespace vora::analytics
