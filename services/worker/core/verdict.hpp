#pragma once
// What the outcome of a tool means. Pure. The tools' exit codes are hints; what counts is what was
// written and how much of the declared length it is.

#include "contracts/activities/media.hpp"
#include "services/worker/core/failure.hpp"
#include "services/worker/core/playlist.hpp"
#include "services/worker/core/ports.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace vora::worker {

// After ffprobe: nothing when it worked.
media_result<> judge_probe(const tool_exit& exit, bool certainly_media);

// After ffmpeg, before its output was looked at: only what no output could outweigh.
media_result<> judge_encoder(const tool_exit& exit);

// After its output was measured: findings for the input report, or why this is no video.
media_result<std::vector<contracts::input_finding>> judge_output(const tool_exit& exit,
                                                                 double declared_s,
                                                                 double decoded_s);

// All rungs the same segments, each beginning at its multiple, sizes as planned, times that only
// grow. internal ("output_...") with what is wrong.
result<void> check_rungs(const contracts::encode_plan& plan,
                         const std::vector<rung_segments>& rungs);

}  // namespace vora::worker
