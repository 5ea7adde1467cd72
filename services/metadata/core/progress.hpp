#pragma once
// How far the processing of a video is, asked of the engine and remembered for a second. Between
// two steps a run has nothing to tell: then it is where it was.

#include "services/metadata/core/ports.hpp"

#include <map>

namespace vora::metadata {

class progress_reader {
 public:
    progress_reader(workflow_engine& engine, const clock_source& clock);
    // Only PROCESSING videos have progress; nullopt also when the engine does not answer.
    task<std::optional<ingest_progress>> of(video_id id, std::int64_t generation,
                                            video_state state);

 private:
    struct entry {
        timestamp at;
        std::int64_t generation = 0;
        std::optional<ingest_progress> value;
        std::optional<ingest_progress> told;  // the last that came of a step
    };
    void make_room(timestamp now);

    workflow_engine& engine_;
    const clock_source& clock_;
    std::map<video_id, entry> cache_;  // bounded: the oldest go when it is full
};

}  // namespace vora::metadata
