#pragma once

#include "libs/base/clock.hpp"
#include "services/gateway/core/media_path.hpp"

#include <optional>
#include <string>

namespace vora::gateway {

std::string_view content_type(object_kind k);

// Cache-Control of a good answer. `left`: how long the viewer's grant is still good; absent under
// `public`. Nothing private is kept beyond its grant.
std::string cache_control(object_kind k, std::optional<seconds> left);

}  // namespace vora::gateway
