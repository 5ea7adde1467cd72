#include "services/worker/core/playlist.hpp"

#include "services/worker/core/tool_arguments.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace vora::worker {

namespace {

// A tail of a picture or two says nothing about the rate a player needs.
constexpr double counted_s_min = 0.5;

std::string fixed(double n, int digits) {
    char text[64];
    std::snprintf(text, sizeof text, "%.*f", digits, n);
    return text;
}

}  // namespace

std::vector<double> segment_durations(const rung_segments& rung) {
    std::vector<double> durations;
    for (std::size_t n = 0; n < rung.segments.size(); ++n) {
        const auto& segment = rung.segments[n];
        const double end = n + 1 < rung.segments.size()
                               ? static_cast<double>(rung.segments[n + 1].first_pts)
                               : static_cast<double>(segment.last_pts) + 90'000 / rung.fps;
        durations.push_back((end - static_cast<double>(segment.first_pts)) / 90'000);
    }
    return durations;
}

std::string media_playlist(const std::vector<double>& durations) {
    long target = 1;
    for (const double duration : durations) {
        target = std::max(target, std::lround(duration));
    }
    std::string text =
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:" + std::to_string(target) +
        "\n#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-PLAYLIST-TYPE:VOD\n";
    for (std::size_t n = 0; n < durations.size(); ++n) {
        text += "#EXTINF:" + fixed(durations[n], 6) + ",\n" + segment_name(n + 1) + "\n";
    }
    return text + "#EXT-X-ENDLIST\n";
}

contracts::rendition_facts measure(const rung_segments& rung) {
    contracts::rendition_facts facts;
    facts.name = rung.name;
    facts.frame_rate = std::round(rung.fps * 1000) / 1000;
    facts.segments = static_cast<std::int64_t>(rung.segments.size());
    const auto durations = segment_durations(rung);
    double total_s = 0;
    double peak = 0;
    std::int64_t audio_frames = 0;
    for (std::size_t n = 0; n < rung.segments.size(); ++n) {
        const auto& segment = rung.segments[n];
        const auto bits = static_cast<double>(segment.size_bytes) * 8;
        facts.size_bytes += static_cast<std::int64_t>(segment.size_bytes);
        facts.frames += segment.frames;
        audio_frames += segment.audio_frames;
        total_s += durations[n];
        if (durations[n] >= counted_s_min) {
            peak = std::max(peak, bits / durations[n]);
        }
    }
    if (rung.segments.empty() || total_s <= 0) {
        return facts;
    }
    const double average = static_cast<double>(facts.size_bytes) * 8 / total_s;
    facts.average_bandwidth = std::llround(std::ceil(average));
    facts.bandwidth = std::llround(std::ceil(std::max(peak, average)));
    const auto& sps = rung.segments.front().sps;
    facts.width = sps.width;
    facts.height = sps.height;
    facts.codecs = sps.codec_text() + (audio_frames > 0 ? ",mp4a.40.2" : "");
    return facts;
}

std::string master_playlist(const std::vector<contracts::rendition_facts>& renditions) {
    std::string text = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-INDEPENDENT-SEGMENTS\n";
    for (const auto& r : renditions) {
        text += "#EXT-X-STREAM-INF:BANDWIDTH=" + std::to_string(r.bandwidth) +
                ",AVERAGE-BANDWIDTH=" + std::to_string(r.average_bandwidth) +
                ",RESOLUTION=" + std::to_string(r.width) + "x" + std::to_string(r.height) +
                ",FRAME-RATE=" + fixed(r.frame_rate, 3) + ",CODECS=\"" + r.codecs + "\"\n" +
                r.name + "/playlist.m3u8\n";
    }
    return text;
}

}  // namespace vora::worker
