#include "services/metadata/handlers/activities.hpp"

#include "contracts/activities/metadata.hpp"

namespace vora::metadata {

namespace {

using contracts::nothing;
using durable::activity_context;
using durable::outcome;

std::unexpected<durable::failure> refusal(const error& e) {
    const bool final = e.code == errc::failed_precondition || e.code == errc::invalid_argument;
    return std::unexpected(durable::failure::application(e.reason, e.detail, final));
}

media_facts facts_of(contracts::mark_ready_input in) {
    media_facts facts;
    facts.duration_s = in.encoded.duration_s;
    facts.width = in.facts.width;
    facts.height = in.facts.height;
    for (auto& r : in.encoded.renditions) {
        facts.renditions.push_back({std::move(r.name), r.width, r.height, r.bandwidth,
                                    r.average_bandwidth, std::move(r.codecs), r.frame_rate,
                                    r.frames, r.segments, r.size_bytes});
    }
    for (auto& f : in.encoded.input_report) {
        facts.input_report.push_back({std::move(f.code), std::move(f.detail)});
    }
    return facts;
}

class activities {
 public:
    activities(processing& core, obs::logger log, obs::metrics& metrics)
        : core_(core),
          log_(std::move(log)),
          ready_(metrics.counter("vora_metadata_videos_settled_total", "ends of processing",
                                 {{"state", "ready"}})),
          failed_(metrics.counter("vora_metadata_videos_settled_total", "ends of processing",
                                  {{"state", "failed"}})) {}

    task<outcome<nothing>> mark_ready(contracts::mark_ready_input in) {
        const video_id id{in.video_id};
        const auto generation = in.generation;
        auto done = co_await core_.mark_ready(id, generation, facts_of(std::move(in)));
        if (!done) {
            co_return refusal(done.error());
        }
        ready_.add();
        log_.info("video_ready", {{"video", id.value}, {"generation", generation}});
        co_return nothing{};
    }

    task<outcome<nothing>> mark_failed(contracts::mark_failed_input in) {
        auto done = co_await core_.mark_failed(video_id{in.video_id}, in.generation,
                                               {in.code, std::move(in.detail)});
        if (!done) {
            co_return refusal(done.error());
        }
        failed_.add();
        log_.info("video_failed", {{"video", in.video_id}, {"code", in.code}});
        co_return nothing{};
    }

    task<outcome<contracts::stop_ingest_result>> stop_ingest(contracts::video_ref in) {
        auto closed = co_await core_.stop_ingest(video_id{in.video_id}, in.generation);
        if (!closed) {
            co_return refusal(closed.error());
        }
        co_return contracts::stop_ingest_result{*closed};
    }

    task<outcome<nothing>> delete_uploads(contracts::video_ref in) {
        auto done = co_await core_.delete_uploads(video_id{in.video_id}, in.generation);
        if (!done) {
            co_return refusal(done.error());
        }
        co_return nothing{};
    }

    task<outcome<nothing>> finish_delete(contracts::video_ref in) {
        auto done = co_await core_.finish_delete(video_id{in.video_id}, in.generation);
        if (!done) {
            co_return refusal(done.error());
        }
        log_.info("video_deleted", {{"video", in.video_id}});
        co_return nothing{};
    }

 private:
    processing& core_;
    obs::logger log_;
    obs::counter& ready_;
    obs::counter& failed_;
};

}  // namespace

durable::activity_registry make_activities(processing& core, obs::logger log,
                                           obs::metrics& metrics) {
    const auto all = std::make_shared<activities>(core, std::move(log), metrics);
    durable::activity_registry registry;
    registry.add(contracts::mark_ready, [all](activity_context&, contracts::mark_ready_input in) {
        return all->mark_ready(std::move(in));
    });
    registry.add(contracts::mark_failed, [all](activity_context&, contracts::mark_failed_input in) {
        return all->mark_failed(std::move(in));
    });
    registry.add(contracts::stop_ingest, [all](activity_context&, contracts::video_ref in) {
        return all->stop_ingest(std::move(in));
    });
    registry.add(contracts::delete_uploads, [all](activity_context&, contracts::video_ref in) {
        return all->delete_uploads(std::move(in));
    });
    registry.add(contracts::finish_delete, [all](activity_context&, contracts::video_ref in) {
        return all->finish_delete(std::move(in));
    });
    return registry;
}

}  // namespace vora::metadata
