#pragma once
// Who may have what: from a viewer, a video and a path to the master's text or an object's key.

#include "services/gateway/core/media_path.hpp"
#include "services/gateway/core/playback_cache.hpp"

#include <memory>
#include <string>
#include <variant>

namespace vora::gateway {

// What the {grant} of the URL gave: nothing but the public class, or a verified grant for this
// video.
struct viewer {
    bool has_grant = false;
    int max_height = 0;  // short side; 0 = no cap
};

struct master_text {
    std::string text;
};

struct stored_object {
    std::string key;
};

struct located {
    std::variant<master_text, stored_object> what;
    bool stale = false;  // decided on what metadata said before it went away
    std::shared_ptr<const playback_info> basis;
};

class delivery {
 public:
    explicit delivery(playback_cache& cache) : cache_(cache) {}

    // not_found for what does not exist and for what this viewer may not know to exist, the same
    // for both. permission_denied ("rendition_not_granted"). Else the errors of the cache. A
    // remembered answer may allow, never refuse: before a refusal metadata is asked, so that a
    // video is there for viewers as soon as its owner says so.
    task<result<located>> locate(viewer v, std::string video_id, media_path path);
    // Whether a decision on this basis would still be made: no change was heard of meanwhile.
    bool still_stands(const std::string& video_id,
                      const std::shared_ptr<const playback_info>& basis) const {
        return cache_.holds(video_id, basis);
    }

 private:
    playback_cache& cache_;
};

}  // namespace vora::gateway
