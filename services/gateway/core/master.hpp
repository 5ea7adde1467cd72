#pragma once

#include "services/gateway/core/playback_info.hpp"

#include <string>
#include <vector>

namespace vora::gateway {

// The renditions a viewer may have: those up to `max_height` (short side; 0 = all), never none: the
// smallest always stays.
std::vector<rendition> allowed_renditions(const std::vector<rendition>& all, int max_height);

// The master playlist from measured facts. First the variant a player should start with (nearest to
// 2000 kbit/s on average), then the rest, rising. URIs are relative, so that they inherit the
// grant.
std::string write_master(std::vector<rendition> renditions);

}  // namespace vora::gateway
