#include "services/worker/handlers/media_activities.hpp"

#include "services/worker/core/publisher.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <string_view>

namespace vora::worker {

namespace {

using namespace std::chrono_literals;
using durable::activity_context;
using durable::outcome;

// Label values are a closed set, whatever a failure says.
std::string code_label(const std::string& code) {
    static constexpr std::array<std::string_view, 13> codes{
        "input_empty",        "input_not_video",         "input_no_video",      "input_too_long",
        "input_damaged",      "input_too_many_pixels",   "input_too_expensive", "encoder_crashed",
        "output_conflict",    "input_unsupported_codec", "storage_unavailable", "cancelled",
        "storage_object_lost"};
    return std::find(codes.begin(), codes.end(), code) != codes.end() ? code : "other";
}

}  // namespace

heartbeat_board::entry::entry(heartbeat_board& board, activity_context& ctx)
    : board_(board), ctx_(ctx), details_("{}") {
    board_.entries_.push_back(this);
}

heartbeat_board::entry::~entry() {
    board_.entries_.remove(this);
}

void heartbeat_board::entry::progress(std::string_view stage, double percent, double eta_s) {
    contracts::media_progress now;
    now.stage = stage;
    now.percent = static_cast<double>(static_cast<int>(percent * 10)) / 10;
    now.eta_s = eta_s < 0 ? -1 : static_cast<double>(static_cast<int>(eta_s + 0.5));
    details_ = nlohmann::json(now).dump();
    beat();
}

task<> heartbeat_board::run() {
    for (;;) {
        co_await sleep_for(1s);
        for (auto* e : entries_) {
            e->beat();
        }
    }
}

media_activities::media_activities(prober& probes, encoder& encodes, blob::reader& processed_reader,
                                   blob::writer& processed, blob::remover& processed_remover,
                                   heartbeat_board& board, obs::logger log, obs::metrics& metrics,
                                   blob::free_space* space)
    : probes_(probes),
      encodes_(encodes),
      processed_reader_(processed_reader),
      processed_(processed),
      processed_remover_(processed_remover),
      board_(board),
      log_(std::move(log)),
      metrics_(metrics),
      space_(space) {}

durable::activity_registry media_activities::heavy() {
    durable::activity_registry registry;
    registry.add(contracts::encode, [this](activity_context& ctx, contracts::encode_input in) {
        return encode(ctx, std::move(in));
    });
    return registry;
}

durable::activity_registry media_activities::light() {
    durable::activity_registry registry;
    registry.add(contracts::probe, [this](activity_context& ctx, contracts::probe_input in) {
        return probe(ctx, std::move(in));
    });
    registry.add(contracts::publish, [this](activity_context& ctx, contracts::publish_input in) {
        return publish(ctx, std::move(in));
    });
    registry.add(contracts::cleanup, [this](activity_context& ctx, contracts::cleanup_input in) {
        return cleanup(ctx, std::move(in));
    });
    return registry;
}

std::unexpected<durable::failure> media_activities::failed(const activity_context& ctx,
                                                           const std::string& video_id,
                                                           const media_failure& f) {
    const auto& info = ctx.info();
    metrics_
        .counter("vora_worker_failures_total", "Activity attempts that failed, by code",
                 {{"activity", info.type}, {"code", code_label(f.code)}})
        .add();
    log_.write(f.retryable ? obs::level::warn : obs::level::info, "activity_failed",
               {{"activity", info.type},
                {"video", video_id},
                {"attempt", info.attempt},
                {"code", f.code},
                {"detail", f.detail},
                {"retryable", f.retryable}});
    if (f.code == "cancelled") {
        return std::unexpected(durable::failure::cancelled());
    }
    return std::unexpected(durable::failure::application(f.code, f.detail, !f.retryable));
}

task<outcome<contracts::probe_facts>> media_activities::probe(activity_context& ctx,
                                                              contracts::probe_input in) {
    heartbeat_board::entry attempt(board_, ctx);
    const auto video_id = in.video_id;
    auto facts = co_await probes_.probe(std::move(in), attempt);
    if (!facts) {
        co_return failed(ctx, video_id, facts.error());
    }
    log_.info("probed", {{"video", video_id},
                         {"container", facts->container},
                         {"video_codec", facts->video_codec},
                         {"width", facts->width},
                         {"height", facts->height},
                         {"fps", facts->fps},
                         {"duration_s", facts->duration_s}});
    co_return *facts;
}

task<media_result<>> media_activities::wait_for_room(const std::string& video_id, attempt& a) {
    if (space_ == nullptr) {
        co_return media_result<>{};
    }
    constexpr auto look_every = 1s;
    constexpr int looks_max = 300;
    auto& waiting = metrics_.gauge("vora_worker_encodes_waiting_for_disk",
                                   "Encodes that wait because the disk is nearly full");
    for (int look = 0; look < looks_max; ++look) {
        const auto left = co_await space_->look(0);
        if (left == blob::room::ample) {
            co_return media_result<>{};
        }
        if (a.should_stop()) {
            co_return stopped();
        }
        if (look == 0) {
            log_.warn("encode_waits_for_disk", {{"video", video_id}});
        }
        a.progress("waiting_for_disk_space", 0, -1);
        waiting.add(1);
        struct leave {
            obs::gauge& g;
            ~leave() { g.add(-1); }
        } const guard{waiting};
        co_await sleep_for(look_every);
    }
    co_return std::unexpected(
        media_failure{"storage_unavailable", "the disk is nearly full", true});
}

task<outcome<contracts::encode_result>> media_activities::encode(activity_context& ctx,
                                                                 contracts::encode_input in) {
    heartbeat_board::entry attempt(board_, ctx);
    const auto video_id = in.video_id;
    auto room = co_await wait_for_room(video_id, attempt);
    if (!room) {
        co_return failed(ctx, video_id, room.error());
    }
    log_.info("encode_started", {{"video", video_id},
                                 {"attempt", ctx.info().attempt},
                                 {"rungs", in.plan.rungs.size()},
                                 {"duration_s", in.plan.duration_s}});
    auto& running = metrics_.gauge("vora_worker_encodes_running", "Encodes in progress");
    running.add(1);
    struct leave {
        obs::gauge& g;
        ~leave() { g.add(-1); }
    } const guard{running};
    auto encoded = co_await encodes_.encode(std::move(in), attempt);
    if (!encoded) {
        co_return failed(ctx, video_id, encoded.error());
    }
    metrics_
        .histogram("vora_worker_encode_seconds", "Wall time of the encoder process",
                   {1, 5, 15, 60, 300, 1'200, 3'600, 14'400})
        .observe(encoded->wall_s);
    metrics_.counter("vora_worker_encode_cpu_seconds_total", "CPU time of encoder processes")
        .add(encoded->cpu_s);
    metrics_.counter("vora_worker_frames_total", "Frames encoded, over all renditions")
        .add(static_cast<double>(encoded->frames));
    metrics_.counter("vora_worker_media_seconds_total", "Length of what was encoded")
        .add(encoded->result.duration_s);
    log_.info("encoded", {{"video", video_id},
                          {"wall_s", encoded->wall_s},
                          {"cpu_s", encoded->cpu_s},
                          {"duration_s", encoded->result.duration_s},
                          {"renditions", encoded->result.renditions.size()}});
    co_return encoded->result;
}

task<outcome<contracts::nothing>> media_activities::publish(activity_context& ctx,
                                                            contracts::publish_input in) {
    heartbeat_board::entry attempt(board_, ctx);
    const auto video_id = in.video_id;
    auto published = co_await publish_master(processed_reader_, processed_, std::move(in), attempt);
    if (!published) {
        co_return failed(ctx, video_id, published.error());
    }
    log_.info("published", {{"video", video_id}});
    co_return contracts::nothing{};
}

task<outcome<contracts::nothing>> media_activities::cleanup(activity_context& ctx,
                                                            contracts::cleanup_input in) {
    heartbeat_board::entry attempt(board_, ctx);
    const auto prefix = in.output_prefix;
    auto removed = co_await remove_outputs(processed_remover_, std::move(in));
    if (!removed) {
        co_return failed(ctx, prefix, removed.error());
    }
    log_.info("outputs_removed", {{"prefix", prefix}});
    co_return contracts::nothing{};
}

}  // namespace vora::worker
