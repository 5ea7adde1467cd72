#pragma once
// Workflow types and their inputs: what metadata starts. Ids: "video-{id}-g{generation}" for
// ingest_video, "delete-{id}" (the n-th attempt: "delete-{id}-a{n}") for delete_video.

#include "contracts/activities/media.hpp"
#include "libs/durable/options.hpp"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <string>

namespace vora::contracts {

struct ingest_input {
    std::string video_id;
    std::int64_t generation = 1;
    std::string source_key;  // in bucket-raw
    std::int64_t source_bytes = 0;
    std::string output_prefix;  // "{video_id}/"
    media_limits limits;
    double cpu_factor_max = 0;        // CPU seconds of encoding per second of input; 0 = no limit
    std::int64_t retry_budget_s = 0;  // how long trouble with the object store is put up with
    NLOHMANN_DEFINE_TYPE_INTRUSIVE_WITH_DEFAULT(ingest_input, video_id, generation, source_key,
                                                source_bytes, output_prefix, limits, cpu_factor_max,
                                                retry_budget_s)
};

struct delete_input {
    std::string video_id;
    std::int64_t generation = 1;
    std::string output_prefix;
    NLOHMANN_DEFINE_TYPE_INTRUSIVE_WITH_DEFAULT(delete_input, video_id, generation, output_prefix)
};

inline constexpr durable::workflow_type<ingest_input> ingest_video{"ingest_video", "vora"};
inline constexpr durable::workflow_type<delete_input> delete_video{"delete_video", "vora"};

}  // namespace vora::contracts
