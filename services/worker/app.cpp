#include "services/worker/app.hpp"

#include "services/worker/adapters/ffmpeg_tools.hpp"
#include "services/worker/adapters/scratch_space.hpp"
#include "services/worker/core/encoder.hpp"
#include "services/worker/core/prober.hpp"
#include "services/worker/handlers/media_activities.hpp"

#include <algorithm>
#include <optional>
#include <thread>

namespace vora::worker {

namespace {

ffmpeg_options tool_options(const config& c) {
    ffmpeg_options options;
    options.ffmpeg = c.ffmpeg;
    options.memory_bytes = static_cast<std::uint64_t>(c.memory_max_bytes);
    options.file_bytes = static_cast<std::uint64_t>(c.file_max_bytes);
    options.priority = static_cast<int>(c.priority);
    return options;
}

encoder_settings encode_settings(const config& c) {
    const auto cores = static_cast<std::int64_t>(std::max(1u, std::thread::hardware_concurrency()));
    encoder_settings settings;
    settings.threads = static_cast<int>(
        std::clamp<std::int64_t>(c.encoder_threads > 0 ? c.encoder_threads : cores, 1, 16));
    settings.preset = c.preset;
    return settings;
}

durable::activity_worker_options worker_options(const char* queue, std::int64_t concurrency) {
    durable::activity_worker_options options;
    options.task_queue = queue;
    options.concurrency = static_cast<std::size_t>(concurrency);
    return options;
}

}  // namespace

struct app::state {
    state(executor ex, blocking_pool& pool, blob::reader& raw, blob::reader& processed_reader,
          blob::writer& processed, blob::remover& processed_remover,
          durable::activity_source& source, obs::logger l, obs::metrics& metrics, const config& c,
          blob::free_space* space)
        : log(std::move(l)),
          tools(pool, tool_options(c)),
          scratch(pool, c.scratch_dir),
          probes(raw, tools, scratch, pool),
          encodes(raw, processed_reader, processed, tools, scratch, pool, encode_settings(c)),
          activities(probes, encodes, processed_reader, processed, processed_remover, board, log,
                     metrics, space),
          heavy(ex, source, activities.heavy(),
                worker_options(contracts::encode.task_queue, c.concurrency), log),
          light(ex, source, activities.light(),
                worker_options(contracts::probe.task_queue, c.light_concurrency), log),
          tasks(ex) {}

    obs::logger log;
    ffmpeg_tools tools;
    scratch_space scratch;
    prober probes;
    encoder encodes;
    heartbeat_board board;
    media_activities activities;
    durable::activity_worker heavy;
    durable::activity_worker light;
    task_group tasks;
};

app::app(executor ex, blocking_pool& pool, blob::reader& raw, blob::reader& processed_reader,
         blob::writer& processed, blob::remover& processed_remover,
         durable::activity_source& source, obs::logger log, obs::metrics& metrics, config c,
         blob::free_space* space)
    : state_(std::make_unique<state>(std::move(ex), pool, raw, processed_reader, processed,
                                     processed_remover, source, std::move(log), metrics, c,
                                     space)) {}

app::~app() = default;

task<> app::start() {
    auto prepared = co_await state_->scratch.prepare();
    if (!prepared) {
        state_->log.error("scratch_unavailable", {{"detail", prepared.error().detail}});
    }
    co_await state_->tools.discover();
    if (state_->tools.available()) {
        state_->log.info("ffmpeg_found", {{"version", state_->tools.version()}});
    } else {
        state_->log.error("ffmpeg_not_found", {{"looked_for", state_->tools.looked_for()}});
    }
    state_->tasks.spawn(state_->board.run());
    state_->heavy.start();
    state_->light.start();
}

task<> app::stop() {
    // The tools first: their attempts then end by themselves instead of using up the grace period.
    co_await state_->tools.stop();
    co_await state_->heavy.stop();
    co_await state_->light.stop();
    co_await state_->tasks.stop();
}

readiness app::ready() const {
    return {state_->tools.available(), state_->tools.version()};
}

}  // namespace vora::worker
