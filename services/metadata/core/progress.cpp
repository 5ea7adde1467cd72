#include "services/metadata/core/progress.hpp"

namespace vora::metadata {

namespace {
constexpr milliseconds fresh_for{1'000};
constexpr std::size_t entries_max = 1'000;
}  // namespace

progress_reader::progress_reader(workflow_engine& engine, const clock_source& clock)
    : engine_(engine), clock_(clock) {}

task<std::optional<ingest_progress>> progress_reader::of(video_id id, std::int64_t generation,
                                                         video_state state) {
    if (state != video_state::processing) {
        co_return std::nullopt;
    }
    const auto now = clock_.now();
    const auto is_fresh = [&](const entry& e) { return now >= e.at && now - e.at < fresh_for; };
    if (const auto found = cache_.find(id); found != cache_.end() && is_fresh(found->second)) {
        co_return found->second.value;
    }
    std::optional<ingest_progress> value;
    auto run = co_await engine_.describe_ingest(id, generation);
    if (run && run->status == run_status::running) {
        value = std::move(run->progress);
    } else if (!run && run.error().code == errc::not_found) {
        value = ingest_progress{"queued", 0, std::nullopt};
    }
    if (cache_.size() >= entries_max) {
        std::erase_if(cache_, [&](const auto& e) { return !is_fresh(e.second); });
    }
    if (cache_.size() < entries_max) {
        cache_.insert_or_assign(std::move(id), entry{now, value});
    }
    co_return value;
}

}  // namespace vora::metadata
