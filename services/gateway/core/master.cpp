#include "services/gateway/core/master.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace vora::gateway {

namespace {

constexpr std::int64_t start_bits_per_s = 2'000'000;

std::int64_t average_of(const rendition& r) {
    return r.average_bandwidth > 0 ? r.average_bandwidth : r.bandwidth;
}

std::string stream_line(const rendition& r) {
    std::string line = "#EXT-X-STREAM-INF:BANDWIDTH=" + std::to_string(r.bandwidth);
    line += ",AVERAGE-BANDWIDTH=" + std::to_string(average_of(r));
    if (!r.codecs.empty()) {
        line += ",CODECS=\"" + r.codecs + "\"";
    }
    if (r.width > 0 && r.height > 0) {
        line += ",RESOLUTION=" + std::to_string(r.width) + "x" + std::to_string(r.height);
    }
    if (r.frame_rate > 0) {
        char text[32];
        std::snprintf(text, sizeof text, "%.3f", r.frame_rate);
        line += std::string(",FRAME-RATE=") + text;
    }
    return line;
}

}  // namespace

std::vector<rendition> allowed_renditions(const std::vector<rendition>& all, int max_height) {
    if (max_height <= 0 || all.empty()) {
        return all;
    }
    std::vector<rendition> allowed;
    for (const auto& r : all) {
        if (r.short_side() <= max_height) {
            allowed.push_back(r);
        }
    }
    if (allowed.empty()) {
        allowed.push_back(*std::ranges::min_element(all, {}, &rendition::short_side));
    }
    return allowed;
}

std::string write_master(std::vector<rendition> renditions) {
    std::ranges::sort(renditions, {}, &rendition::bandwidth);
    const auto start = std::ranges::min_element(
        renditions, {}, [](const auto& r) { return std::llabs(average_of(r) - start_bits_per_s); });
    if (start != renditions.end()) {
        std::rotate(renditions.begin(), start, start + 1);
    }
    std::string text = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-INDEPENDENT-SEGMENTS\n";
    for (const auto& r : renditions) {
        text += stream_line(r) + "\n" + r.name + "/playlist.m3u8\n";
    }
    return text;
}

}  // namespace vora::gateway
