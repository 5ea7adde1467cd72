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
      spooled_(m.gauge("vora_analytics_events_spooled", "events held here, not yet stored")),
      delivered_(m.counter("vora_analytics_events_delivered_total",
                           "events that the topic of events.spill = kafka has taken")),
      consumed_(m.counter("vora_analytics_events_consumed_total",
                          "events of the topic that were settled here")) {
    for (std::size_t i = 0; i < drop_reasons; ++i) {
        dropped_[i] = &m.counter("vora_analytics_events_dropped_total",
                                 "events that will never be stored, by reason",
                                 {{"reason", std::string(drop_reason_names[i])}});
    }
}

void metrics_books::show(const totals& t) {
    raise(accepted_, shown_.accepted, t.accepted);
    raise(stored_, shown_.stored, t.stored);
    raise(delivered_, shown_.handed_over, t.handed_over);
    raise(consumed_, shown_.taken_over, t.taken_over);
    for (std::size_t i = 0; i < drop_reasons; ++i) {
        raise(*dropped_[i], shown_.dropped[i], t.dropped[i]);
    }
    if (t.spooled != shown_.spooled) {
        spooled_.set(static_cast<double>(t.spooled));
        shown_.spooled = t.spooled;
    }
}

}  // namespace vora::analytics
