#pragma once
// The video and the rules of its life, as pure functions: CREATED -> PROCESSING -> READY | FAILED,
// and deletion from any of them. Whoever calls a rule holds the row in a transaction and stores the
// result in the same one.

#include "libs/base/clock.hpp"
#include "libs/base/result.hpp"
#include "libs/base/strong_id.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vora::metadata {

using video_id = strong_id<struct video_id_tag>;
using upload_id = strong_id<struct upload_id_tag>;

enum class video_state { created, processing, ready, failed };
std::string_view to_string(video_state s);  // "CREATED"
std::optional<video_state> parse_video_state(std::string_view text);

enum class visibility { only_owner, everyone };
std::string_view to_string(visibility v);  // "private", "public"
std::optional<visibility> parse_visibility(std::string_view text);

struct rendition {
    std::string name;
    int width = 0;
    int height = 0;
    std::int64_t bandwidth = 0;          // bit/s, peak
    std::int64_t average_bandwidth = 0;  // bit/s
    std::string codecs;
    double frame_rate = 0;
    std::int64_t frames = 0;
    std::int64_t segments = 0;
    std::int64_t size_bytes = 0;
    bool operator==(const rendition&) const = default;
};

struct finding {
    std::string code;
    std::string detail;
    bool operator==(const finding&) const = default;
};

struct video_failure {
    std::string code;    // api.md's table
    std::string detail;  // for people, safe to show
    bool operator==(const video_failure&) const = default;
};

// What processing found out.
struct media_facts {
    double duration_s = 0;
    int width = 0;
    int height = 0;
    std::vector<rendition> renditions;  // largest first
    std::vector<finding> input_report;
};

struct video {
    video_id id;
    std::string title;
    std::string description;
    video_state state = video_state::created;
    visibility visible = visibility::only_owner;
    std::string owner;            // subject of the token that created it
    std::int64_t generation = 1;  // fences the runs that work on it
    std::int64_t version = 1;     // one more with each change: the ETag
    timestamp created_at;
    timestamp updated_at;
    timestamp upload_expires_at;  // the grant's end
    upload_id source;             // the upload that won; empty while CREATED
    std::optional<timestamp> playable_at;
    std::optional<timestamp> settled_at;  // when READY or FAILED
    std::optional<double> duration_s;
    std::optional<int> width;
    std::optional<int> height;
    std::vector<rendition> renditions;
    std::vector<finding> input_report;
    std::optional<video_failure> failure;
    std::optional<timestamp> deleting_at;  // from then on nobody outside sees it
    std::optional<timestamp> deleted_at;   // the tombstone
    std::int64_t delete_attempt = 1;       // names the run that deletes
    bool operator==(const video&) const = default;
};

inline bool is_deleted(const video& v) {
    return v.deleting_at.has_value();
}
// Playback from the start will not stall.
inline bool is_playable(const video& v) {
    return v.playable_at.has_value() && !is_deleted(v);
}

struct new_video {
    std::string title;
    std::string description;
    visibility visible = visibility::only_owner;
    std::string owner;
};
video create_video(new_video input, video_id id, timestamp now, std::chrono::seconds grant_ttl);

struct video_patch {
    std::optional<std::string> title;
    std::optional<std::string> description;
    std::optional<visibility> visible;
};
// False when nothing changed: then the version stays.
bool apply_patch(video& v, const video_patch& patch, timestamp now);

// CREATED -> PROCESSING. failed_precondition ("wrong_state") from any other.
result<void> begin_processing(video& v, const upload_id& source, timestamp now);
// CREATED -> FAILED: its uploads came to nothing.
result<void> fail_before_processing(video& v, video_failure why, timestamp now);

// CREATED or PROCESSING -> FAILED: nobody wants it any more. failed_precondition
// ("not_cancellable") from the others.
result<void> cancel_video(video& v, timestamp now);

enum class transition { applied, repeated };
// PROCESSING -> READY or FAILED, for the run of `generation`. The same end again is `repeated`, so
// a call whose answer was lost can be sent again. failed_precondition, never to be retried:
// "stale_generation" (another run owns the video), "video_deleted", "wrong_state".
result<transition> finish_ready(video& v, std::int64_t generation, media_facts facts,
                                timestamp now);
result<transition> finish_failed(video& v, std::int64_t generation, video_failure why,
                                 timestamp now);

// Deletion begins at once and from any state; the saga ends it. The tombstone keeps the id and the
// dates, nothing that a person wrote.
void begin_delete(video& v, timestamp now);
// The run of the last attempt ended without the tombstone, or was lost: the next one, whose number
// this sets. `repeated` when it is not that attempt's turn any more.
result<transition> retry_delete(video& v, std::int64_t attempt, timestamp now);
result<transition> finish_delete(video& v, std::int64_t generation, timestamp now);
// failed_precondition: "stale_generation", "not_deleting".
result<void> check_deleting(const video& v, std::int64_t generation);

// The opaque text of a grant that the upload service hands back. nullopt: not one of ours.
std::string reference_of(const video_id& id);
std::optional<video_id> video_of_reference(std::string_view reference);
// Key prefix in the bucket of processed media; ends in '/'.
std::string output_prefix(const video_id& id, std::int64_t generation);

// True for the codes of the public contract ("input_not_video", ...).
bool is_failure_code(std::string_view code);

}  // namespace vora::metadata
