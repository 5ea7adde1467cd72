#pragma once
// HLS playlists from what was measured in the segments. Our own writer: the tool's rounds wrongly
// for short videos and announces the encoder's wishes instead of what is there.

#include "contracts/activities/media.hpp"
#include "services/worker/core/ts_segment.hpp"

#include <string>
#include <vector>

namespace vora::worker {

// One rung, all segments in order.
struct rung_segments {
    std::string name;
    double fps = 0;
    std::vector<segment_facts> segments;
};

// EXTINF of each segment: to the first picture of the next; of the last: to the end of its last
// picture.
std::vector<double> segment_durations(const rung_segments& rung);

std::string media_playlist(const std::vector<double>& durations);

contracts::rendition_facts measure(const rung_segments& rung);

// Largest rendition first; every URI relative. Names only what is listed.
std::string master_playlist(const std::vector<contracts::rendition_facts>& renditions);

}  // namespace vora::worker
