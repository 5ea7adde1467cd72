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

// What a shared cache in front is told, and keeps to itself (deploy/varnish/default.vcl): for which
// class of viewers the answer is good, how long the cache may have it, and how long a browser may.
struct cache_advice {
    std::string_view viewers;  // "public", or "signed": whoever has a good grant
    seconds shared{0};
    seconds browser{0};

    std::string text() const;
};
cache_advice advice_for(object_kind k, bool has_grant, bool found);

}  // namespace vora::gateway
