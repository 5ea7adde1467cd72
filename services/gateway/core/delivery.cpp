#include "services/gateway/core/delivery.hpp"

#include "services/gateway/core/master.hpp"

#include <algorithm>

namespace vora::gateway {

namespace {

std::unexpected<error> unknown() {
    return fail(errc::not_found, "not_found", "there is nothing under this path");
}

std::string file_name(const media_path& path) {
    switch (path.kind) {
        case object_kind::thumbnail:
            return "thumbnail.jpg";
        case object_kind::playlist:
            return path.rendition + "/playlist.m3u8";
        case object_kind::segment: {
            const auto digits = std::to_string(path.segment);
            return path.rendition + "/seg_" + (digits.size() < 2 ? "0" : "") + digits + ".ts";
        }
        case object_kind::master:
            break;
    }
    return "master.m3u8";
}

result<located> decide(const viewer& v, const playback_info* info, const media_path& path) {
    if (info == nullptr || !info->playable || (!v.has_grant && !info->is_public)) {
        return unknown();
    }
    if (path.kind == object_kind::master) {
        return located{
            master_text{write_master(allowed_renditions(info->renditions, v.max_height))},
            false,
            {}};
    }
    if (path.kind == object_kind::thumbnail) {
        return located{stored_object{info->prefix + file_name(path)}, false, {}};
    }
    const auto wanted = std::ranges::find(info->renditions, path.rendition, &rendition::name);
    if (wanted == info->renditions.end() ||
        (path.kind == object_kind::segment && wanted->segments > 0 &&
         path.segment > wanted->segments)) {
        return unknown();
    }
    const auto allowed = allowed_renditions(info->renditions, v.max_height);
    if (std::ranges::find(allowed, path.rendition, &rendition::name) == allowed.end()) {
        return fail(errc::permission_denied, "rendition_not_granted",
                    "the grant does not include this rendition");
    }
    return located{stored_object{info->prefix + file_name(path)}, false, {}};
}

}  // namespace

task<result<located>> delivery::locate(viewer v, std::string video_id, media_path path) {
    for (const bool current : {false, true}) {
        auto found = co_await cache_.find(video_id, current);
        if (!found) {
            co_return fail(found.error());
        }
        auto decision = decide(v, found->info.get(), path);
        if (decision || found->current || current) {
            if (decision) {
                decision->stale = found->stale;
                decision->basis = found->info;
            }
            co_return decision;
        }
    }
    co_return unknown();
}

}  // namespace vora::gateway
