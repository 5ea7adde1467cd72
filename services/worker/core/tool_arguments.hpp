#pragma once
// The command lines of ffmpeg and ffprobe, built from a plan. Pure. No text from outside is ever in
// them: every word is a constant, a number, or a name of ours inside the job directory.

#include "contracts/activities/media.hpp"
#include "services/worker/core/sniff.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace vora::worker {

using arguments = std::vector<std::string>;

// Names inside the job directory, which is the tools' working directory.
inline constexpr const char* input_file = "input";
inline constexpr const char* thumbnail_file = "thumbnail.jpg";

// Directory of a rung's segments, by its place in the plan: "r0".
std::string rung_directory(std::size_t rung);
// "seg_01.ts", "seg_100.ts": number from 1.
std::string segment_name(std::size_t number);

// Every segment begins at this much plus a multiple of the segment length, in every rung: MPEG-TS
// cannot hold the negative times that B-frames and the sound encoder's priming would give.
inline constexpr std::int64_t start_pts_90k = 900'000;

arguments probe_arguments(const sniffed_format& format, std::int64_t pixels_max);
// Lists "pts,dts,duration" of every packet of one track.
arguments packet_scan_arguments(const sniffed_format& format, int stream_index);

// One process: one decode, split to all rungs, sound encoded once and muxed into each.
arguments encode_arguments(const contracts::encode_plan& plan, const sniffed_format& format,
                           int encoder_threads);

// From one of our own segments, sought to `at_s` after its beginning.
arguments thumbnail_arguments(const std::string& segment_path, double at_s, int short_side,
                              int width, int height);

// "30000/1001" for 29.97..., "25", "12500/1000".
std::string rate_text(double fps);

}  // namespace vora::worker
