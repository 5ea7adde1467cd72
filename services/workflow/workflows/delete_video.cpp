#include "services/workflow/workflows/delete_video.hpp"

#include "contracts/activities/media.hpp"
#include "contracts/activities/metadata.hpp"

#include <algorithm>

namespace vora::workflow {

namespace {

using namespace std::chrono_literals;
using durable::outcome;

durable::activity_options without_end(durable::milliseconds attempt) {
    durable::activity_options options;
    options.start_to_close_timeout = attempt;
    options.retry.maximum_interval = 60s;
    return options;
}

durable::workflow<outcome<>> stop_ingest(durable::context& ctx, const contracts::video_ref& video) {
    durable::milliseconds pause = 250ms;
    for (;;) {
        auto stopped = co_await ctx.call(contracts::stop_ingest, video, without_end(30s));
        if (!stopped) {
            co_return std::unexpected(stopped.error());
        }
        if (stopped->closed) {
            co_return outcome<>{};
        }
        co_await ctx.sleep(pause);
        pause = std::min<durable::milliseconds>(pause * 2, 10s);
    }
}

}  // namespace

durable::workflow<outcome<>> delete_video(durable::context& ctx, contracts::delete_input in) {
    // The caller was told 202: there is no way back.
    durable::context::cancellation_shield shield(ctx);
    contracts::video_ref video{in.video_id, in.generation};

    // First, so that no encode writes behind the removal.
    auto stopped = co_await stop_ingest(ctx, video);
    if (!stopped) {
        co_return std::unexpected(stopped.error());
    }
    contracts::cleanup_input outputs{in.output_prefix};
    auto cleaned = co_await ctx.call(contracts::cleanup, outputs, without_end(10min));
    if (!cleaned) {
        co_return std::unexpected(cleaned.error());
    }
    auto uploads = co_await ctx.call(contracts::delete_uploads, video, without_end(2min));
    if (!uploads) {
        co_return std::unexpected(uploads.error());
    }
    auto finished = co_await ctx.call(contracts::finish_delete, video, without_end(30s));
    if (!finished) {
        co_return std::unexpected(finished.error());
    }
    co_return outcome<>{};
}

}  // namespace vora::workflow
