#pragma once
// What a file is by its first bytes, decided before any media tool sees it. The tools are then told
// the format and may use no other: playlists, manifests, images, archives and texts never reach
// them.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace vora::worker {

inline constexpr std::size_t sniff_bytes = 64 * 1024;

struct sniffed_format {
    std::string demuxer;  // ffmpeg's name
    // The bytes leave no doubt. If a tool cannot open the file, a certain one is damaged and an
    // uncertain one is not media.
    bool certain = true;
    bool has_timestamps_only = false;  // no header declares a duration (MPEG-TS, MPEG-PS)
};

// `head`: the first sniff_bytes, or all of a shorter file. nullopt: no media that Vora takes.
std::optional<sniffed_format> sniff(std::string_view head);

}  // namespace vora::worker
