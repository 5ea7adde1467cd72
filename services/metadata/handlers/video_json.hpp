#pragma once
// Videos as the outside sees them.

#include "libs/auth/grant.hpp"
#include "services/metadata/core/ports.hpp"

#include <optional>
#include <string>

namespace vora::metadata {

// Absolute bases without a slash at the end: "https://video.example".
struct url_bases {
    std::string upload;
    std::string play;
    std::string api{};
};

std::string render_video(const video& v, const std::optional<ingest_progress>& progress,
                         const url_bases& bases, const auth::grant_keys& keys);
// `rendered`: the results of render_video.
std::string render_page(const std::vector<std::string>& rendered,
                        const std::string& next_page_token);
// For the gateway (contracts/internal).
std::string render_internal_playback(const video& v);

}  // namespace vora::metadata
