#include "services/metadata/core/progress.hpp"

#include <algorithm>

namespace vora::metadata {

namespace {
constexpr milliseconds fresh_for{1'000};
constexpr milliseconds forgotten_after{600'000};
constexpr std::size_t entries_max = 1'000;

// No step runs: before the first one, or between two.
bool is_idle(const ingest_progress& p) {
    return p.stage == "queued";
}
}  // namespace

progress_reader::progress_reader(workflow_engine& engine, const clock_source& clock)
    : engine_(engine), clock_(clock) {}

task<std::optional<ingest_progress>> progress_reader::of(video_id id, std::int64_t generation,
                                                         video_state state) {
    if (state != video_state::processing) {
        cache_.erase(id);
        co_return std::nullopt;
    }
    const auto now = clock_.now();
    if (const auto found = cache_.find(id); found != cache_.end()) {
        const auto& e = found->second;
        if (e.generation == generation && now >= e.at && now - e.at < fresh_for) {
            co_return e.value;
        }
    }
    auto run = co_await engine_.describe_ingest(id, generation);
    entry next{now, generation, std::nullopt, std::nullopt};
    if (const auto before = cache_.find(id);
        before != cache_.end() && before->second.generation == generation) {
        next.told = before->second.told;
    }
    if (run && run->status == run_status::running) {
        if (!is_idle(run->progress)) {
            next.told = run->progress;
        }
        next.value = next.told ? next.told : std::move(run->progress);
    } else if (!run && run.error().code == errc::not_found) {
        next.value = ingest_progress{"queued", 0, std::nullopt};
    }
    make_room(now);
    const auto value = next.value;
    cache_.insert_or_assign(std::move(id), std::move(next));
    co_return value;
}

void progress_reader::make_room(timestamp now) {
    if (cache_.size() < entries_max) {
        return;
    }
    std::erase_if(cache_, [&](const auto& e) { return now - e.second.at >= forgotten_after; });
    if (cache_.size() >= entries_max) {
        cache_.erase(
            std::ranges::min_element(cache_, {}, [](const auto& e) { return e.second.at; }));
    }
}

}  // namespace vora::metadata
