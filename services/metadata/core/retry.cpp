#include "services/metadata/core/retry.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace vora::metadata {

namespace {

constexpr std::array<std::string_view, 3> retryable{"internal_error", "encoder_crashed",
                                                    "storage_unavailable"};

std::unexpected<error> not_now(const char* reason, const char* detail) {
    return fail(errc::failed_precondition, reason, detail);
}

}  // namespace

result<void> begin_again(video& v, std::int64_t generation, timestamp now) {
    if (is_deleted(v)) {
        return not_now("video_deleted", "the video is deleted");
    }
    if (v.generation != generation) {
        return not_now("stale_generation", "a newer run owns the video");
    }
    if (v.state != video_state::failed) {
        return not_now("wrong_state", "only a FAILED video can be tried again");
    }
    const bool worth_it =
        v.failure && std::ranges::find(retryable, v.failure->code) != retryable.end();
    if (!worth_it || v.source.value.empty()) {
        return not_now("not_retryable", "it failed for a reason that another try does not change");
    }
    v.state = video_state::processing;
    v.failure.reset();
    v.settled_at.reset();
    ++v.generation;
    ++v.version;
    v.updated_at = now;
    return {};
}

ingest_retry::ingest_retry(video_repository& repository, upload_service& uploads,
                           const clock_source& clock, std::function<void()> outbox_written)
    : repository_(repository),
      uploads_(uploads),
      clock_(clock),
      outbox_written_(std::move(outbox_written)) {}

// Asked before the transaction; the collector notes a removal after it, so both are looked at.
task<result<upload_view>> ingest_retry::find_source(video v) {
    auto source = co_await uploads_.find(v.source);
    const bool gone = source ? source->status != upload_status::finished ||
                                   source->reference != reference_of(v.id)
                             : source.error().code == errc::not_found;
    if (gone) {
        co_return not_now("source_removed", "the original is no longer kept");
    }
    co_return source;
}

task<result<std::int64_t>> ingest_retry::retry(video_id id, std::int64_t generation) {
    auto found = co_await repository_.find(id);
    if (!found) {
        co_return fail(std::move(found.error()));
    }
    if (!*found) {
        co_return fail(errc::not_found, "video_not_found");
    }
    auto trial = **found;
    if (auto ok = begin_again(trial, generation, clock_.now()); !ok) {
        co_return fail(std::move(ok.error()));
    }
    auto source = co_await find_source(**found);
    if (!source) {
        co_return fail(std::move(source.error()));
    }
    auto begun = co_await transact<std::int64_t>(
        repository_, [&, now = clock_.now()](video_transaction& t) -> result<std::int64_t> {
            auto v = t.find(id);
            if (!v) {
                return fail(std::move(v.error()));
            }
            auto kept = t.find_upload(source->id);
            if (!kept) {
                return fail(std::move(kept.error()));
            }
            if (!*v || !*kept || (*kept)->status != upload_status::finished) {
                return not_now("source_removed", "the original is no longer kept");
            }
            if (auto ok = begin_again(**v, generation, now); !ok) {
                return fail(std::move(ok.error()));
            }
            if (auto r = t.update(**v); !r) {
                return fail(std::move(r.error()));
            }
            outbox_message m;
            m.video = id;
            m.generation = (*v)->generation;
            m.source_key = source->object_key;
            m.source_bytes = source->size_bytes;
            m.created_at = now;
            if (auto r = t.add_outbox(m); !r) {
                return fail(std::move(r.error()));
            }
            return (*v)->generation;
        });
    if (begun) {
        outbox_written_();
    }
    co_return begun;
}

}  // namespace vora::metadata
