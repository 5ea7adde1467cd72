#include "services/metadata/core/video.hpp"

#include "libs/base/crypto.hpp"

#include <algorithm>
#include <array>

namespace vora::metadata {

namespace {

constexpr std::string_view reference_prefix = "v.";

void touch(video& v, timestamp now) {
    ++v.version;
    // A clock that was set back must not make a later change look older.
    v.updated_at = std::max(v.updated_at, now);
}

result<void> check_run(const video& v, std::int64_t generation) {
    if (v.generation != generation) {
        return fail(errc::failed_precondition, "stale_generation",
                    "generation " + std::to_string(generation) + " is not the video's");
    }
    if (is_deleted(v)) {
        return fail(errc::failed_precondition, "video_deleted");
    }
    return {};
}

std::unexpected<error> wrong_state(const video& v) {
    return fail(errc::failed_precondition, "wrong_state",
                "the video is " + std::string(to_string(v.state)));
}

void set_failed(video& v, video_failure why, timestamp now) {
    v.state = video_state::failed;
    v.failure = std::move(why);
    v.playable_at.reset();
    v.settled_at = now;
    touch(v, now);
}

}  // namespace

std::string_view to_string(video_state s) {
    switch (s) {
        case video_state::created:
            return "CREATED";
        case video_state::processing:
            return "PROCESSING";
        case video_state::ready:
            return "READY";
        case video_state::failed:
            return "FAILED";
    }
    return "";
}

std::optional<video_state> parse_video_state(std::string_view text) {
    for (const auto s :
         {video_state::created, video_state::processing, video_state::ready, video_state::failed}) {
        if (text == to_string(s)) {
            return s;
        }
    }
    return std::nullopt;
}

std::string_view to_string(visibility v) {
    return v == visibility::everyone ? "public" : "private";
}

std::optional<visibility> parse_visibility(std::string_view text) {
    for (const auto v : {visibility::only_owner, visibility::everyone}) {
        if (text == to_string(v)) {
            return v;
        }
    }
    return std::nullopt;
}

video create_video(new_video input, video_id id, timestamp now, std::chrono::seconds grant_ttl) {
    video v;
    v.id = std::move(id);
    v.title = std::move(input.title);
    v.description = std::move(input.description);
    v.visible = input.visible;
    v.owner = std::move(input.owner);
    v.created_at = now;
    v.updated_at = now;
    v.upload_expires_at = std::chrono::floor<std::chrono::seconds>(now) + grant_ttl;
    return v;
}

bool apply_patch(video& v, const video_patch& patch, timestamp now) {
    bool changed = false;
    if (patch.title && *patch.title != v.title) {
        v.title = *patch.title;
        changed = true;
    }
    if (patch.description && *patch.description != v.description) {
        v.description = *patch.description;
        changed = true;
    }
    if (patch.visible && *patch.visible != v.visible) {
        v.visible = *patch.visible;
        changed = true;
    }
    if (changed) {
        touch(v, now);
    }
    return changed;
}

result<void> begin_processing(video& v, const upload_id& source, timestamp now) {
    if (is_deleted(v)) {
        return fail(errc::failed_precondition, "video_deleted");
    }
    if (v.state != video_state::created) {
        return wrong_state(v);
    }
    v.state = video_state::processing;
    v.source = source;
    touch(v, now);
    return {};
}

result<void> fail_before_processing(video& v, video_failure why, timestamp now) {
    if (is_deleted(v)) {
        return fail(errc::failed_precondition, "video_deleted");
    }
    if (v.state != video_state::created) {
        return wrong_state(v);
    }
    set_failed(v, std::move(why), now);
    return {};
}

result<void> cancel_video(video& v, timestamp now) {
    if (is_deleted(v)) {
        return fail(errc::failed_precondition, "video_deleted");
    }
    if (v.state != video_state::created && v.state != video_state::processing) {
        return fail(errc::failed_precondition, "not_cancellable",
                    "the video is " + std::string(to_string(v.state)));
    }
    set_failed(v, {"cancelled", "cancelled on request"}, now);
    return {};
}

result<transition> finish_ready(video& v, std::int64_t generation, media_facts facts,
                                timestamp now) {
    if (auto ok = check_run(v, generation); !ok) {
        return fail(ok.error());
    }
    if (v.state == video_state::ready) {
        return transition::repeated;
    }
    if (v.state != video_state::processing) {
        return wrong_state(v);
    }
    v.state = video_state::ready;
    v.duration_s = facts.duration_s;
    v.width = facts.width;
    v.height = facts.height;
    v.renditions = std::move(facts.renditions);
    v.input_report = std::move(facts.input_report);
    v.failure.reset();
    if (!v.playable_at) {
        v.playable_at = now;
    }
    v.settled_at = now;
    touch(v, now);
    return transition::applied;
}

result<transition> finish_failed(video& v, std::int64_t generation, video_failure why,
                                 timestamp now) {
    if (auto ok = check_run(v, generation); !ok) {
        return fail(ok.error());
    }
    if (v.state == video_state::failed) {
        return transition::repeated;
    }
    if (v.state != video_state::processing) {
        return wrong_state(v);
    }
    set_failed(v, std::move(why), now);
    return transition::applied;
}

void begin_delete(video& v, timestamp now) {
    if (is_deleted(v)) {
        return;
    }
    v.deleting_at = now;
    touch(v, now);
}

result<void> check_deleting(const video& v, std::int64_t generation) {
    if (v.generation != generation) {
        return fail(errc::failed_precondition, "stale_generation");
    }
    if (!is_deleted(v)) {
        return fail(errc::failed_precondition, "not_deleting");
    }
    return {};
}

result<transition> retry_delete(video& v, std::int64_t attempt, timestamp now) {
    if (!is_deleted(v)) {
        return fail(errc::failed_precondition, "not_deleting");
    }
    if (v.deleted_at || v.delete_attempt != attempt) {
        return transition::repeated;
    }
    ++v.delete_attempt;
    touch(v, now);
    return transition::applied;
}

result<transition> finish_delete(video& v, std::int64_t generation, timestamp now) {
    if (auto ok = check_deleting(v, generation); !ok) {
        return fail(ok.error());
    }
    if (v.deleted_at) {
        return transition::repeated;
    }
    v.deleted_at = now;
    v.title.clear();
    v.description.clear();
    v.renditions.clear();
    v.input_report.clear();
    v.failure.reset();
    v.playable_at.reset();
    touch(v, now);
    return transition::applied;
}

std::string reference_of(const video_id& id) {
    return std::string(reference_prefix) + id.value;
}

std::optional<video_id> video_of_reference(std::string_view reference) {
    if (!reference.starts_with(reference_prefix)) {
        return std::nullopt;
    }
    reference.remove_prefix(reference_prefix.size());
    if (!is_uuid(reference)) {
        return std::nullopt;
    }
    return video_id{std::string(reference)};
}

std::string output_prefix(const video_id& id, std::int64_t generation) {
    auto prefix = id.value + "/";
    if (generation > 1) {
        prefix += "g" + std::to_string(generation) + "/";
    }
    return prefix;
}

bool is_failure_code(std::string_view code) {
    static constexpr std::array<std::string_view, 15> known{
        "input_empty",     "input_not_video",       "input_no_video",
        "input_too_long",  "input_too_many_pixels", "input_damaged",
        "upload_expired",  "upload_terminated",     "encoder_crashed",
        "cancelled",       "internal_error",        "input_unsupported_codec",
        "input_encrypted", "input_too_expensive",   "storage_unavailable"};
    return std::ranges::find(known, code) != known.end();
}

}  // namespace vora::metadata
