#include "services/workflow/workflows/ingest_video.hpp"

#include "contracts/activities/media.hpp"
#include "contracts/activities/metadata.hpp"
#include "services/workflow/workflows/plan.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

namespace vora::workflow {

namespace {

using namespace std::chrono_literals;
using contracts::encode_plan;
using contracts::ingest_input;
using durable::activity_options;
using durable::failure;
using durable::outcome;

constexpr int crash_attempts_max = 3;
constexpr int tries_in_a_budget = 30;
constexpr std::array<std::string_view, 11> codes_shown{
    "input_empty",           "input_not_video", "input_no_video",          "input_too_long",
    "input_too_many_pixels", "input_damaged",   "input_unsupported_codec", "input_encrypted",
    "input_too_expensive",   "encoder_crashed", "storage_unavailable",
};

struct made_video {
    contracts::probe_facts facts;
    contracts::encode_result encoded;
};

durable::milliseconds seconds_of(double s) {
    return durable::milliseconds(std::llround(s * 1000));
}

// Timeouts and lost workers are tried again by the engine. Crashes of the encoder and trouble with
// the store come back to the workflow (media_call), which counts and times each by itself. No
// schedule-to-close: it would also count the time an activity waits in the queue behind other
// videos.
activity_options media_options(durable::milliseconds attempt) {
    activity_options options;
    options.start_to_close_timeout = attempt;
    options.heartbeat_timeout = 15s;
    options.retry.maximum_interval = 30s;
    options.retry.maximum_attempts =
        5;  // an input that kills the whole worker must not do so for ever
    options.retry.non_retryable_error_types = {"encoder_crashed", "storage_unavailable"};
    return options;
}

// 2 cores need about 1.2 s for a second of 1080p; a machine may be busy with much else.
durable::milliseconds encode_time(const encode_plan& plan) {
    return 10min + seconds_of(30 * plan.output_s_max);
}

// A change of state must arrive, however long metadata is away.
activity_options state_options() {
    activity_options options;
    options.start_to_close_timeout = 30s;
    options.retry.maximum_interval = 30s;
    return options;
}

// Up to three crashes of the encoder; trouble with the store for as long as the retry budget lasts.
template <class In, class Out>
durable::workflow<outcome<Out>> media_call(durable::context& ctx,
                                           durable::activity_type<In, Out> type, In input,
                                           activity_options options, std::int64_t budget_s) {
    int crashes = 0;
    int storage_failures = 0;
    timestamp first_storage_failure{};
    durable::milliseconds pause = 1s;
    // Each try stands in the history, which must stay short whatever the budget is.
    const auto pause_max =
        std::max<durable::milliseconds>(30s, std::chrono::seconds(budget_s) / tries_in_a_budget);
    for (;;) {
        auto done = co_await ctx.call(type, input, options);
        if (done) {
            co_return done;
        }
        const auto& reason = done.error().root().type;
        if (reason == "encoder_crashed") {
            if (++crashes == crash_attempts_max) {
                co_return done;
            }
        } else if (reason == "storage_unavailable") {
            if (++storage_failures == 1) {
                first_storage_failure = ctx.now();
            } else if (ctx.now() - first_storage_failure >= std::chrono::seconds(budget_s)) {
                co_return done;
            }
        } else {
            co_return done;
        }
        co_await ctx.sleep(pause);
        pause = std::min(pause * 2, pause_max);
    }
}

durable::workflow<outcome<made_video>> make_video(durable::context& ctx, const ingest_input& in,
                                                  bool& wrote) {
    contracts::probe_input source{in.video_id, in.source_key, in.limits};
    auto facts =
        co_await media_call(ctx, contracts::probe, source, media_options(60s), in.retry_budget_s);
    if (!facts) {
        co_return std::unexpected(facts.error());
    }
    auto plan = plan_encode(*facts, in);
    if (!plan) {
        co_return std::unexpected(
            failure::application(plan.error().code, plan.error().detail, true));
    }
    wrote = true;
    contracts::encode_input work{in.video_id, in.generation, in.source_key, in.output_prefix,
                                 *plan};
    auto encoded = co_await media_call(ctx, contracts::encode, work,
                                       media_options(encode_time(*plan)), in.retry_budget_s);
    if (!encoded) {
        co_return std::unexpected(encoded.error());
    }
    contracts::publish_input publish{in.video_id, in.output_prefix, encoded->renditions};
    auto published = co_await media_call(ctx, contracts::publish, publish, media_options(2min),
                                         in.retry_budget_s);
    if (!published) {
        co_return std::unexpected(published.error());
    }
    co_return made_video{std::move(*facts), std::move(*encoded)};
}

// Shown to the uploader: ours, without a path or the words of a tool.
std::string failure_detail(const failure& reason) {
    const auto code = failure_code(reason);
    if (code == "internal_error") {
        return "something went wrong on our side";
    }
    return code == "cancelled" ? "the processing was cancelled" : reason.root().message;
}

durable::workflow<outcome<>> compensate(durable::context& ctx, const ingest_input& in, bool wrote,
                                        const failure& reason) {
    if (wrote) {
        // Orphans are better than a video that never settles: when the store stays away, FAILED
        // comes anyway.
        contracts::cleanup_input outputs{in.output_prefix};
        auto removed = co_await media_call(ctx, contracts::cleanup, outputs, media_options(10min),
                                           in.retry_budget_s);
        if (!removed) {
            ctx.log("cleanup_failed", removed.error().root().message);
        }
    }
    const auto code = failure_code(reason);
    contracts::mark_failed_input failed{in.video_id, in.generation, code, failure_detail(reason)};
    auto marked = co_await ctx.call(contracts::mark_failed, failed, state_options());
    if (!marked) {
        ctx.log("mark_failed_failed", marked.error().root().message);
    }
    co_return std::unexpected(reason);
}

}  // namespace

std::string failure_code(const failure& f) {
    if (f.is_cancelled()) {
        return "cancelled";
    }
    const auto& type = f.root().type;
    const bool shown = std::find(codes_shown.begin(), codes_shown.end(), type) != codes_shown.end();
    return shown ? type : "internal_error";
}

durable::workflow<outcome<>> ingest_video(durable::context& ctx, ingest_input in) {
    bool wrote = false;
    auto made = co_await make_video(ctx, in, wrote);
    // From here on a cancellation comes too late: READY must not race with the removal of what it
    // names.
    durable::context::cancellation_shield shield(ctx);
    if (!made) {
        // Also when a worker was lost before it could say that it stopped.
        const auto reason = ctx.is_cancelled() ? failure::cancelled() : made.error();
        co_return co_await compensate(ctx, in, wrote, reason);
    }
    contracts::mark_ready_input ready{in.video_id, in.generation, made->facts, made->encoded};
    auto marked = co_await ctx.call(contracts::mark_ready, ready, state_options());
    if (marked) {
        co_return outcome<>{};
    }
    if (marked.error().root().type == "stale_generation") {
        // Somebody newer owns the video, and perhaps the outputs under our prefix.
        co_return std::unexpected(marked.error());
    }
    co_return co_await compensate(ctx, in, wrote, marked.error());
}

}  // namespace vora::workflow
