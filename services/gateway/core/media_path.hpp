#pragma once
// The names that exist under a video, and no others.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vora::gateway {

enum class object_kind { master, playlist, segment, thumbnail };

std::string_view to_string(object_kind k);

struct media_path {
    object_kind kind = object_kind::master;
    std::string rendition;     // of a playlist or segment
    std::int64_t segment = 0;  // from 1
};

// "master.m3u8", "thumbnail.jpg", "720p/playlist.m3u8", "720p/seg_01.ts". One text per object:
// "seg_1.ts" and "seg_001.ts" are none.
std::optional<media_path> parse_media_path(std::string_view path);

bool is_rendition_name(std::string_view name);

}  // namespace vora::gateway
