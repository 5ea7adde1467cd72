#include "services/upload/adapters/telemetry.hpp"

namespace vora::upload {

telemetry::telemetry(obs::logger log, obs::metrics& metrics)
    : log_(std::move(log)),
      metrics_(metrics),
      created_(metrics.counter("vora_upload_created_total", "uploads created")),
      received_(metrics.counter("vora_upload_received_bytes_total", "bytes taken from clients")),
      stored_(metrics.counter("vora_upload_stored_bytes_total", "bytes made durable")),
      taken_over_(metrics.counter("vora_upload_taken_over_total",
                                  "requests that were ended in favour of a newer one")),
      hooks_sent_(
          metrics.counter("vora_upload_hooks_total", "hooks by outcome", {{"outcome", "sent"}})),
      hooks_failed_(
          metrics.counter("vora_upload_hooks_total", "hooks by outcome", {{"outcome", "failed"}})),
      background_failed_(metrics.counter("vora_upload_background_failed_total",
                                         "failures of work that no request waits for")) {}

void telemetry::created(const upload_info& info) {
    created_.add();
    log_.info("upload_created", {{"upload", info.id.value}, {"length_bytes", info.length}});
}

void telemetry::received(std::uint64_t bytes) {
    received_.add(static_cast<double>(bytes));
}

void telemetry::stored(std::uint64_t bytes) {
    stored_.add(static_cast<double>(bytes));
}

void telemetry::ended(const upload_info& info) {
    metrics_
        .counter("vora_upload_ended_total", "uploads that ended, by state",
                 {{"state", std::string(to_string(info.state))}})
        .add();
    log_.info("upload_ended", {{"upload", info.id.value},
                               {"state", to_string(info.state)},
                               {"length_bytes", info.length}});
}

void telemetry::taken_over(const upload_id& id) {
    taken_over_.add();
    log_.info("upload_taken_over", {{"upload", id.value}});
}

void telemetry::hook_sent(const upload_event& event) {
    hooks_sent_.add();
    log_.info("hook_sent", {{"upload", event.id.value}, {"type", to_string(event.type)}});
}

void telemetry::hook_failed(const upload_id& id, const error& e) {
    hooks_failed_.add();
    log_.warn("hook_failed", {{"upload", id.value}, {"reason", e.reason}, {"detail", e.detail}});
}

void telemetry::background_failed(const upload_id& id, const error& e) {
    background_failed_.add();
    log_.warn("background_failed",
              {{"upload", id.value}, {"reason", e.reason}, {"detail", e.detail}});
}

}  // namespace vora::upload
