#pragma once
// Leave to play one video, and all that carries it: the same for REST and gRPC.

#include "services/metadata/handlers/video_json.hpp"

#include <chrono>
#include <cstdint>
#include <string>

namespace vora::metadata {

inline constexpr std::int64_t playback_ttl_s_max = 30LL * 86'400;
inline constexpr std::int64_t max_height_most = 100'000;  // what a grant can say

struct playback_terms {
    std::chrono::seconds ttl{86'400};
    int max_height = 0;  // short side in pixels; 0 = no cap. The smallest rendition always stays
};

struct playback_offer {
    std::string manifest_url;
    std::string poster_url;
    std::string embed_url;
    timestamp expires;
    // The value of a Set-Cookie field, for whoever serves the viewer's page on the playback host:
    // with it /play/cookie/{id}/... plays without a grant in the URL.
    std::string cookie;
};

// failed_precondition ("not_playable").
result<playback_offer> offer_playback(const video& v, const playback_terms& terms,
                                      const url_bases& bases, const auth::grant_keys& keys,
                                      timestamp now);
std::string render_playback(const playback_offer& offer);

}  // namespace vora::metadata
