#include "services/gateway/handlers/play_meters.hpp"

namespace vora::gateway {

play_meters::play_meters(obs::metrics& m)
    : sent_bytes(m.counter("vora_gateway_sent_bytes_total", "media bytes handed to clients")),
      stale(m.counter("vora_gateway_stale_answers_total",
                      "requests decided on what metadata said before it went away")),
      refused_grants(m.counter("vora_gateway_refused_grants_total", "bad or expired grants")),
      missing(m.counter("vora_gateway_missing_objects_total",
                        "objects a ready video should have and the store does not")),
      cut(m.counter("vora_gateway_cut_answers_total",
                    "answers cut because the store failed after the first byte")),
      too_late(m.counter("vora_gateway_store_timeouts_total", "answers that were 504")),
      open(m.gauge("vora_gateway_open_answers", "requests being served")),
      cache_bytes(m.gauge("vora_gateway_cache_bytes", "objects held in memory")) {
    const std::vector<double> buckets{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5};
    for (const auto kind : {object_kind::master, object_kind::playlist, object_kind::segment,
                            object_kind::thumbnail}) {
        const obs::labels l{{"object", std::string(to_string(kind))}};
        const auto at = static_cast<std::size_t>(kind);
        first_byte_[at] = &m.histogram("vora_gateway_first_byte_seconds",
                                       "from the request to the first byte in hand", buckets, l);
        for (std::size_t c = 0; c < answers_[at].size(); ++c) {
            auto with_status = l;
            with_status["status"] = std::to_string(c + 1) + "xx";
            answers_[at][c] = &m.counter("vora_gateway_answers_total", "answers", with_status);
        }
    }
    const auto in_cache = [&](cache_event e, const char* outcome) {
        cache_[static_cast<std::size_t>(e)] =
            &m.counter("vora_gateway_cache_total",
                       "objects asked for: in memory, joined while being read, read, read past "
                       "it; and objects pushed out, readings taken up again",
                       {{"event", outcome}});
    };
    in_cache(cache_event::hit, "hit");
    in_cache(cache_event::joined, "joined");
    in_cache(cache_event::missed, "miss");
    in_cache(cache_event::passed_by, "pass");
    in_cache(cache_event::evicted, "evicted");
    in_cache(cache_event::resumed, "resumed");
    const auto index = [](store_event e) { return static_cast<std::size_t>(e); };
    store_[index(store_event::read)] =
        &m.counter("vora_gateway_store_reads_total", "objects opened in the store");
    store_[index(store_event::head)] =
        &m.counter("vora_gateway_store_heads_total", "objects asked for by their facts only");
    const auto failed = [&](const char* reason) {
        return &m.counter("vora_gateway_store_errors_total", "calls of the store that failed",
                          {{"reason", reason}});
    };
    store_[index(store_event::timed_out)] = failed("timeout");
    store_[index(store_event::failed)] = failed("error");
}

void play_meters::answered(object_kind kind, int status, double first_byte_s) {
    const auto at = static_cast<std::size_t>(kind);
    first_byte_[at]->observe(first_byte_s);
    answers_[at][static_cast<std::size_t>(status / 100 - 1)]->add();
    if (status == 504) {
        too_late.add();
    }
}

}  // namespace vora::gateway
