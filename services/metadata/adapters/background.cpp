#include "services/metadata/adapters/background.hpp"

#include <algorithm>

namespace vora::metadata {

background::background(executor ex, outbox_relay& relay, settler& sweeps, raw_collector& collector,
                       video_repository& repository, const clock_source& clock,
                       background_options options, obs::logger log, obs::metrics& metrics)
    : relay_(relay),
      settler_(sweeps),
      collector_(collector),
      repository_(repository),
      clock_(clock),
      options_(options),
      log_(std::move(log)),
      sent_(metrics.counter("vora_metadata_outbox_sent_total", "messages the engine took")),
      abandoned_(metrics.counter("vora_metadata_outbox_abandoned_total",
                                 "messages that can never be delivered")),
      settled_(metrics.counter("vora_metadata_runs_settled_total",
                               "videos ended because their run had ended without a word")),
      restarted_(metrics.counter("vora_metadata_deletions_restarted_total",
                                 "deletions whose run had failed or was lost, started again")),
      collected_(metrics.counter("vora_metadata_uploads_removed_total",
                                 "uploads removed as surplus or after their retention")),
      pending_(metrics.gauge("vora_metadata_outbox_pending", "messages not yet delivered")),
      oldest_seconds_(metrics.gauge("vora_metadata_outbox_oldest_seconds",
                                    "age of the oldest message not yet delivered")),
      breaker_open_(metrics.gauge("vora_metadata_workflow_breaker_open",
                                  "1 while the workflow engine is taken to be away")),
      relay_wanted_(ex),
      collector_wanted_(ex),
      tasks_(ex) {}

void background::start() {
    tasks_.spawn(relay_loop());
    tasks_.spawn(settle_loop());
    tasks_.spawn(collect_loop());
}

task<> background::stop() {
    co_await tasks_.stop();
}

void background::note_trouble(std::string& last, std::string_view where,
                              const std::string& reason) {
    if (reason != last) {
        if (reason.empty()) {
            log_.info("background_recovered", {{"loop", where}});
        } else {
            log_.warn("background_stuck", {{"loop", where}, {"reason", reason}});
        }
    }
    last = reason;
}

task<milliseconds> background::relay_turn() {
    auto report = co_await relay_.run_once();
    breaker_open_.set(relay_.is_open() ? 1 : 0);
    if (!report) {
        note_trouble(relay_trouble_, "relay", report.error().reason);
        co_return options_.retry_pause;
    }
    sent_.add(static_cast<double>(report->sent));
    abandoned_.add(static_cast<double>(report->abandoned));
    if (report->abandoned > 0) {
        log_.error("outbox_abandoned",
                   {{"count", report->abandoned}, {"reason", report->last_error}});
    } else if (report->sent > 0 || !report->last_error.empty()) {
        note_trouble(relay_trouble_, "relay", report->last_error);
    }
    if (report->more) {
        co_return 0ms;
    }
    const auto pause = relay_.pause();
    co_return pause > 0ms ? std::min(pause, options_.relay_poll) : options_.relay_poll;
}

task<> background::relay_loop() {
    for (;;) {
        auto recovered = co_await relay_.recover();
        if (recovered) {
            break;
        }
        note_trouble(relay_trouble_, "relay", recovered.error().reason);
        co_await sleep_for(options_.retry_pause);
    }
    for (;;) {
        const auto pause = co_await relay_turn();
        if (pause > 0ms) {
            co_await relay_wanted_.wait(pause);
        }
    }
}

task<> background::tend_outbox() {
    auto view = co_await repository_.outbox();
    if (view) {
        pending_.set(static_cast<double>(view->pending));
        const auto age = view->oldest ? clock_.now() - *view->oldest : 0ms;
        oldest_seconds_.set(static_cast<double>(age.count()) / 1000.0);
    }
    const auto now = std::chrono::steady_clock::now();
    if (now >= forget_at_) {
        forget_at_ = now + options_.forget_interval;
        co_await relay_.forget_sent();  // what fails now is done the next time
    }
}

task<> background::settle_loop() {
    for (;;) {
        auto runs = co_await settler_.settle_processing();
        if (runs) {
            settled_.add(static_cast<double>(runs->changed));
            if (runs->changed > 0) {
                log_.warn("lost_runs_settled", {{"count", runs->changed}});
            }
        }
        auto uploads = co_await settler_.settle_created();
        auto deletions = co_await settler_.settle_deleting();
        if (deletions) {
            restarted_.add(static_cast<double>(deletions->changed));
            if (deletions->changed > 0) {
                log_.warn("deletions_started_again", {{"count", deletions->changed}});
            }
        }
        const std::string trouble = !runs        ? runs.error().reason
                                    : !uploads   ? uploads.error().reason
                                    : !deletions ? deletions.error().reason
                                                 : "";
        note_trouble(settle_trouble_, "settler", trouble);
        co_await tend_outbox();
        co_await sleep_for(options_.settle_interval);
    }
}

task<> background::collect_loop() {
    for (;;) {
        auto report = co_await collector_.collect();
        if (report && report->changed > 0) {
            collected_.add(static_cast<double>(report->changed));
            log_.info("uploads_removed", {{"count", report->changed}});
        }
        note_trouble(collect_trouble_, "collector",
                     !report                   ? report.error().reason
                     : report->unavailable > 0 ? "upload_service_unavailable"
                                               : "");
        co_await collector_wanted_.wait(options_.collect_interval);
    }
}

}  // namespace vora::metadata
