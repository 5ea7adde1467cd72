#pragma once
// What workflows ask of the transcoding worker: keys, ids and plans in, facts out. Never media
// bytes, never anything that grows with the length of the video. Two task queues: "media" for
// encodes, few at a time, and "media-light" for what takes seconds and must not wait behind an
// encode.

#include "libs/durable/options.hpp"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace vora::contracts {

struct media_limits {
    std::int64_t duration_max_s = 0;
    std::int64_t pixels_max = 0;
    NLOHMANN_DEFINE_TYPE_INTRUSIVE_WITH_DEFAULT(media_limits, duration_max_s, pixels_max)
};

struct probe_input {
    std::string video_id;
    std::string source_key;  // in bucket-raw
    media_limits limits;
    NLOHMANN_DEFINE_TYPE_INTRUSIVE_WITH_DEFAULT(probe_input, video_id, source_key, limits)
};

// Facts only: the workflow decides what follows from them. Sizes are after rotation and with square
// pixels, as shown. Zero = absent or unknown.
struct probe_facts {
    std::string container;  // demuxer name, e.g. "mov"
    std::int64_t size_bytes = 0;
    double duration_s = 0;  // declared by the container
    double start_s = 0;
    bool has_video = false;  // a track that is not cover art
    bool has_audio = false;  // decodable, channels > 0
    std::string video_codec;
    std::string audio_codec;
    int width = 0;
    int height = 0;
    int coded_width = 0;
    int coded_height = 0;
    int rotation_degrees = 0;
    double fps = 0;          // average
    double fps_nominal = 0;  // the container's base rate; differs from fps when the rate varies
    double video_duration_s = 0;  // declared by the video track itself
    double video_end_s = 0;       // end of the last video packet that is really there, from start_s
    std::int64_t video_packets = 0;
    std::string pixel_format;
    int audio_channels = 0;
    int audio_sample_rate = 0;
    int video_stream_index = -1;
    int audio_stream_index = -1;
    NLOHMANN_DEFINE_TYPE_INTRUSIVE_WITH_DEFAULT(probe_facts, container, size_bytes, duration_s,
                                                start_s, has_video, has_audio, video_codec,
                                                audio_codec, width, height, coded_width,
                                                coded_height, rotation_degrees, fps, fps_nominal,
                                                video_duration_s, video_end_s, video_packets,
                                                pixel_format, audio_channels, audio_sample_rate,
                                                video_stream_index, audio_stream_index)
};

struct rung_plan {
    std::string name;  // short side + "p"
    int width = 0;
    int height = 0;
    std::int64_t video_bitrate_max = 0;  // bit/s, VBV maxrate
    double crf = 0;
    NLOHMANN_DEFINE_TYPE_INTRUSIVE_WITH_DEFAULT(rung_plan, name, width, height, video_bitrate_max,
                                                crf)
};

// What the worker does, completely: it decides nothing.
struct encode_plan {
    std::vector<rung_plan> rungs;  // largest first
    double fps = 0;                // one rate for all rungs, decided before the split
    double segment_s = 4;          // keyframes at every multiple
    bool audio = false;
    std::int64_t audio_bitrate = 128'000;
    int video_stream_index = -1;
    int audio_stream_index = -1;
    std::string preset = "veryfast";
    double thumbnail_at_s = 0;
    double duration_s = 0;             // declared: what decoding is measured against
    double output_s_max = 0;           // nothing is encoded beyond; 0 = no limit
    std::int64_t cpu_seconds_max = 0;  // of the encoder process; 0 = no limit
    NLOHMANN_DEFINE_TYPE_INTRUSIVE_WITH_DEFAULT(encode_plan, rungs, fps, segment_s, audio,
                                                audio_bitrate, video_stream_index,
                                                audio_stream_index, preset, thumbnail_at_s,
                                                duration_s, output_s_max, cpu_seconds_max)
};

struct encode_input {
    std::string video_id;
    std::int64_t generation = 1;
    std::string source_key;     // in bucket-raw
    std::string output_prefix;  // in bucket-processed, "{video_id}/"
    encode_plan plan;
    NLOHMANN_DEFINE_TYPE_INTRUSIVE_WITH_DEFAULT(encode_input, video_id, generation, source_key,
                                                output_prefix, plan)
};

// Measured on what was written.
struct rendition_facts {
    std::string name;
    int width = 0;
    int height = 0;
    std::int64_t bandwidth = 0;          // bit/s, largest segment incl. TS overhead and sound
    std::int64_t average_bandwidth = 0;  // bit/s
    std::string codecs;                  // RFC 6381, "avc1.640028,mp4a.40.2"
    double frame_rate = 0;
    std::int64_t frames = 0;
    std::int64_t segments = 0;
    std::int64_t size_bytes = 0;
    NLOHMANN_DEFINE_TYPE_INTRUSIVE_WITH_DEFAULT(rendition_facts, name, width, height, bandwidth,
                                                average_bandwidth, codecs, frame_rate, frames,
                                                segments, size_bytes)
};

struct input_finding {
    std::string code;  // "truncated", "damaged"
    std::string detail;
    NLOHMANN_DEFINE_TYPE_INTRUSIVE_WITH_DEFAULT(input_finding, code, detail)
};

struct encode_result {
    std::vector<rendition_facts> renditions;  // largest first
    double duration_s = 0;                    // of what was decoded
    std::vector<input_finding> input_report;
    NLOHMANN_DEFINE_TYPE_INTRUSIVE_WITH_DEFAULT(encode_result, renditions, duration_s, input_report)
};

// Heartbeat details of encode: {"stage":"encoding","percent":42.5,"eta_s":12}
struct media_progress {
    std::string stage;
    double percent = 0;
    double eta_s = -1;  // unknown below 0
    NLOHMANN_DEFINE_TYPE_INTRUSIVE_WITH_DEFAULT(media_progress, stage, percent, eta_s)
};

// publish: checks that every object of the renditions is there and writes the static master.m3u8,
// the last object, so that a master never names what is missing.
struct publish_input {
    std::string video_id;
    std::string output_prefix;
    std::vector<rendition_facts> renditions;
    NLOHMANN_DEFINE_TYPE_INTRUSIVE_WITH_DEFAULT(publish_input, video_id, output_prefix, renditions)
};

struct cleanup_input {
    std::string output_prefix;
    NLOHMANN_DEFINE_TYPE_INTRUSIVE_WITH_DEFAULT(cleanup_input, output_prefix)
};

struct nothing {
    friend void to_json(nlohmann::json& j, const nothing&) { j = nlohmann::json::object(); }
    friend void from_json(const nlohmann::json&, nothing&) {}
};

// Failure types: input_empty input_not_video input_too_many_pixels input_unsupported_codec
// input_damaged input_too_expensive output_conflict (all non-retryable), encoder_crashed
// (retryable), storage_unavailable (retryable). What follows from facts alone (input_no_video,
// input_too_long, input_too_many_pixels) the workflow decides.
inline constexpr durable::activity_type<probe_input, probe_facts> probe{"probe", "media-light"};
inline constexpr durable::activity_type<encode_input, encode_result> encode{"encode", "media"};
inline constexpr durable::activity_type<publish_input, nothing> publish{"publish", "media-light"};
// Removes everything under output_prefix: compensation and deletion.
inline constexpr durable::activity_type<cleanup_input, nothing> cleanup{"cleanup", "media-light"};

}  // namespace vora::contracts
