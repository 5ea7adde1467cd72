#pragma once

#include <cstdint>
#include <string>

namespace vora::config {
class schema;
}

namespace vora::worker {

struct config {
    std::string ffmpeg = "ffmpeg";     // name or path; ffprobe is looked for beside it
    std::string preset;                // x264's; empty: as the plan says
    std::int64_t encoder_threads = 0;  // of each encoder; 0: by the machine
    std::int64_t memory_max_bytes = std::int64_t{4} << 30;
    std::int64_t file_max_bytes = std::int64_t{1} << 30;
    std::int64_t priority = 10;  // niceness added

    std::string scratch_dir = "scratch";
    std::int64_t concurrency = 1;        // encodes at once
    std::int64_t light_concurrency = 4;  // probes, publications, cleanups at once

    void bind(vora::config::schema& s);
};

}  // namespace vora::worker
