#include "services/worker/core/ffprobe_output.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <string>

namespace vora::worker {

namespace {

using nlohmann::json;

constexpr double seconds_max = 1e8;  // three years: beyond it a number is no duration
constexpr int side_max = 65'536;

std::optional<double> number(std::string_view text) {
    double value = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failed != std::errc() || end == text.data() || !std::isfinite(value)) {
        return std::nullopt;
    }
    return value;
}

std::string text_of(const json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

int int_of(const json& object, const char* key, int least, int most) {
    const auto found = object.find(key);
    if (found == object.end()) {
        return 0;
    }
    double value = 0;
    if (found->is_number()) {
        value = found->get<double>();
    } else if (found->is_string()) {
        value = number(found->get<std::string>()).value_or(0);
    }
    return value >= least && value <= most ? static_cast<int>(value) : 0;
}

double seconds_of(const json& object, const char* key) {
    const auto value = number(text_of(object, key)).value_or(0);
    return std::abs(value) <= seconds_max ? value : 0;
}

// "30000/1001", "128:117"; 0 when either side is 0 or missing.
double quotient(const std::string& text, char separator) {
    const auto at = text.find(separator);
    if (at == std::string::npos) {
        return 0;
    }
    const auto above = number(std::string_view(text).substr(0, at)).value_or(0);
    const auto below = number(std::string_view(text).substr(at + 1)).value_or(0);
    return above > 0 && below > 0 ? above / below : 0;
}

// Matroska's "00:01:02.500000000".
double clock_seconds(const std::string& text) {
    const auto first = text.find(':');
    const auto second = text.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) {
        return 0;
    }
    const std::string_view view(text);
    const auto hours = number(view.substr(0, first)).value_or(0);
    const auto minutes = number(view.substr(first + 1, second - first - 1)).value_or(0);
    const auto seconds = number(view.substr(second + 1)).value_or(0);
    const double total = hours * 3600 + minutes * 60 + seconds;
    return total >= 0 && total <= seconds_max ? total : 0;
}

int rotation_of(const json& stream) {
    const auto list = stream.find("side_data_list");
    if (list == stream.end() || !list->is_array()) {
        return 0;
    }
    for (const auto& entry : *list) {
        if (entry.is_object() && entry.contains("rotation")) {
            const int degrees = int_of(entry, "rotation", -360, 360);
            return ((degrees % 360) + 360) % 360;
        }
    }
    return 0;
}

bool is_cover_art(const json& stream) {
    const auto disposition = stream.find("disposition");
    return disposition != stream.end() && disposition->is_object() &&
           int_of(*disposition, "attached_pic", 0, 1) == 1;
}

// Empty when ffprobe has no name for it.
std::string known_codec(const json& stream) {
    const auto name = text_of(stream, "codec_name");
    return name == "unknown" || name == "none" ? std::string() : name;
}

double stream_duration(const json& stream) {
    const double declared = seconds_of(stream, "duration");
    if (declared > 0) {
        return declared;
    }
    const auto tags = stream.find("tags");
    return tags != stream.end() && tags->is_object() ? clock_seconds(text_of(*tags, "DURATION"))
                                                     : 0;
}

// As shown: a quarter turn swaps the sides, pixels that are not square stretch the width.
void set_shown_size(contracts::probe_facts& facts, const json& stream) {
    const int width = int_of(stream, "width", 1, side_max);
    const int height = int_of(stream, "height", 1, side_max);
    double aspect = quotient(text_of(stream, "sample_aspect_ratio"), ':');
    if (aspect < 0.1 || aspect > 10) {
        aspect = 1;  // absent, or too odd to be meant
    }
    facts.width =
        std::clamp(static_cast<int>(std::lround(width * aspect)), width == 0 ? 0 : 1, side_max);
    facts.height = height;
    if (facts.rotation_degrees % 180 == 90) {
        std::swap(facts.width, facts.height);
    }
}

void take_video(contracts::probe_facts& facts, const json& stream) {
    facts.has_video = true;
    facts.video_stream_index = int_of(stream, "index", 0, 10'000);
    facts.video_codec = known_codec(stream);
    facts.pixel_format = text_of(stream, "pix_fmt");
    facts.coded_width = int_of(stream, "width", 1, side_max);
    facts.coded_height = int_of(stream, "height", 1, side_max);
    facts.rotation_degrees = rotation_of(stream);
    facts.fps = quotient(text_of(stream, "avg_frame_rate"), '/');
    facts.fps_nominal = quotient(text_of(stream, "r_frame_rate"), '/');
    facts.video_duration_s = std::max(0.0, stream_duration(stream));
    set_shown_size(facts, stream);
}

void take_audio(contracts::probe_facts& facts, const json& stream) {
    facts.has_audio = true;
    facts.audio_stream_index = int_of(stream, "index", 0, 10'000);
    facts.audio_codec = text_of(stream, "codec_name");
    facts.audio_channels = int_of(stream, "channels", 1, 1'000);
    facts.audio_sample_rate = int_of(stream, "sample_rate", 1, 10'000'000);
}

// The first video track that is more than cover art, and the first sound that can be decoded.
void take_stream(contracts::probe_facts& facts, const json& stream) {
    const auto type = text_of(stream, "codec_type");
    const bool known = !known_codec(stream).empty();
    if (type == "video" && !is_cover_art(stream)) {
        // A track of a known codec is preferred to one that nothing here can decode.
        if (!facts.has_video || (facts.video_codec.empty() && known)) {
            take_video(facts, stream);
        }
    } else if (type == "audio" && !facts.has_audio && known &&
               int_of(stream, "channels", 1, 1'000) > 0 &&
               int_of(stream, "sample_rate", 1, 10'000'000) > 0) {
        take_audio(facts, stream);
    }
}

}  // namespace

media_result<contracts::probe_facts> parse_probe(std::string_view text) {
    const auto root = json::parse(text, nullptr, false);
    const auto damaged = [] {
        return refuse("input_damaged", "the file's structure cannot be read");
    };
    if (!root.is_object() || !root.contains("streams") || !root["streams"].is_array() ||
        root["streams"].empty()) {
        return damaged();
    }
    contracts::probe_facts facts;
    for (const auto& stream : root["streams"]) {
        if (stream.is_object()) {
            take_stream(facts, stream);
        }
    }
    if (const auto format = root.find("format"); format != root.end() && format->is_object()) {
        facts.duration_s = std::max(0.0, seconds_of(*format, "duration"));
        facts.start_s = seconds_of(*format, "start_time");
    }
    return facts;
}

void packet_scan::line(std::string_view text) {
    if (text.empty()) {
        return;
    }
    ++packets_;
    const auto first = text.find(',');
    const auto second = first == text.npos ? text.npos : text.find(',', first + 1);
    if (second == text.npos) {
        return;
    }
    auto time = number(text.substr(0, first));
    if (!time) {
        time = number(text.substr(first + 1, second - first - 1));
    }
    const double duration = std::clamp(number(text.substr(second + 1)).value_or(0), 0.0, 10.0);
    if (time && std::abs(*time) <= seconds_max) {
        end_s_ = std::max(end_s_, *time + duration);
    }
}

}  // namespace vora::worker
