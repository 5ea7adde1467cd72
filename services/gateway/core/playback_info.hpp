#pragma once
// What the gateway knows of a video, and the port it learns it from.

#include "libs/base/result.hpp"
#include "libs/base/task.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace vora::gateway {

struct rendition {
    std::string name;  // short side + "p": "720p"
    int width = 0;
    int height = 0;
    std::int64_t bandwidth = 0;          // bit/s, measured peak
    std::int64_t average_bandwidth = 0;  // bit/s, measured
    std::string codecs;                  // RFC 6381
    double frame_rate = 0;
    std::int64_t segments = 0;  // 0 = not known

    int short_side() const { return width < height ? width : height; }
};

struct playback_info {
    std::string video_id;
    bool playable = false;
    bool is_public = false;
    std::string prefix;  // of its keys in the store, ends with '/'
    std::vector<rendition> renditions;
};

class playback_source {
 public:
    virtual ~playback_source() = default;
    // not_found: there is no such video (any more): final. unavailable, deadline_exceeded: nobody
    // knows now, what was known before may still be used.
    virtual task<result<playback_info>> find(std::string video_id) = 0;
};

}  // namespace vora::gateway
