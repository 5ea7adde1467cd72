#pragma once
// What workflows ask of the metadata service (task queue "metadata"): every change of a video's
// state. All are fenced by generation: a late call of an old run fails with "stale_generation",
// non-retryable.

#include "contracts/activities/media.hpp"
#include "libs/durable/options.hpp"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace vora::contracts {

// READY, in one transaction with everything the gateway and the API show.
struct mark_ready_input {
    std::string video_id;
    std::int64_t generation = 1;
    probe_facts facts;
    encode_result encoded;
    NLOHMANN_DEFINE_TYPE_INTRUSIVE_WITH_DEFAULT(mark_ready_input, video_id, generation, facts,
                                                encoded)
};

struct mark_failed_input {
    std::string video_id;
    std::int64_t generation = 1;
    std::string code;    // api.md's table: "input_not_video", "encoder_crashed", ...
    std::string detail;  // for people, safe to show
    NLOHMANN_DEFINE_TYPE_INTRUSIVE_WITH_DEFAULT(mark_failed_input, video_id, generation, code,
                                                detail)
};

struct video_ref {
    std::string video_id;
    std::int64_t generation = 1;
    NLOHMANN_DEFINE_TYPE_INTRUSIVE_WITH_DEFAULT(video_ref, video_id, generation)
};

// Deletion, step by step; each can be run again.
struct stop_ingest_result {
    bool closed = false;  // false: still ending, ask again
    NLOHMANN_DEFINE_TYPE_INTRUSIVE_WITH_DEFAULT(stop_ingest_result, closed)
};

inline constexpr durable::activity_type<mark_ready_input, nothing> mark_ready{"mark_ready",
                                                                              "metadata"};
inline constexpr durable::activity_type<mark_failed_input, nothing> mark_failed{"mark_failed",
                                                                                "metadata"};
// Cancels the video's ingest run and says whether it has closed.
inline constexpr durable::activity_type<video_ref, stop_ingest_result> stop_ingest{"stop_ingest",
                                                                                   "metadata"};
// Has the upload service remove the video's uploads, raw objects included.
inline constexpr durable::activity_type<video_ref, nothing> delete_uploads{"delete_uploads",
                                                                           "metadata"};
// Leaves the tombstone.
inline constexpr durable::activity_type<video_ref, nothing> finish_delete{"finish_delete",
                                                                          "metadata"};

}  // namespace vora::contracts
