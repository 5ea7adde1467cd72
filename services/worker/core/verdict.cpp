#include "services/worker/core/verdict.hpp"

#include "services/worker/core/tool_arguments.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace vora::worker {

namespace {

bool says(const tool_exit& exit, std::string_view words) {
    return exit.errors.find(words) != std::string::npos;
}

// What has nothing to do with the input: try again.
media_result<> judge_circumstances(const tool_exit& exit) {
    using how = tool_exit::how;
    switch (exit.ended) {
        case how::stopped:
            return stopped();
        case how::not_started:
            return crashed("the encoder could not be started");
        case how::killed:
            return crashed("the encoder was ended by signal " + std::to_string(exit.signal));
        case how::wall_limit:
        case how::silent:
            return crashed("the encoder did not get on");
        case how::cpu_limit:
            return refuse("input_too_expensive", "encoding costs more than is allowed");
        case how::exited:
            break;
    }
    if (exit.code != 0 && says(exit, "No space left on device")) {
        return std::unexpected(
            media_failure{"storage_unavailable", "the worker's disk is full", true});
    }
    if (exit.code != 0 && says(exit, "Cannot allocate memory") && !says(exit, "max_streams")) {
        return crashed("the encoder ran out of memory");
    }
    return {};
}

// Text that names a cause better than "damaged".
media_result<> judge_words(const tool_exit& exit) {
    if (says(exit, "exceeds specified max pixel count")) {
        return refuse("input_too_many_pixels", "a picture has more pixels than are allowed");
    }
    if (says(exit, "not on whitelist") || says(exit, "Decoder not found") ||
        says(exit, ") not found for input stream") || says(exit, "no decoder could be found")) {
        return refuse("input_unsupported_codec", "the video is in a coding that is not supported");
    }
    return {};
}

std::string seconds_text(double s) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f s", s);
    return text;
}

}  // namespace

media_result<> judge_probe(const tool_exit& exit, bool certainly_media) {
    auto circumstances = judge_circumstances(exit);
    if (!circumstances) {
        // Looking at a file is cheap unless the file is made to be expensive.
        const bool too_slow = exit.ended == tool_exit::how::cpu_limit;
        return too_slow ? refuse("input_damaged", "the file's structure cannot be read in time")
                        : circumstances;
    }
    if (exit.code == 0) {
        return {};
    }
    if (auto words = judge_words(exit); !words) {
        return words;
    }
    return certainly_media ? refuse("input_damaged", "the file's structure cannot be read")
                           : refuse("input_not_video", "the file is no video");
}

media_result<> judge_encoder(const tool_exit& exit) {
    return judge_circumstances(exit);
}

media_result<std::vector<contracts::input_finding>> judge_output(const tool_exit& exit,
                                                                 double declared_s,
                                                                 double decoded_s) {
    if (decoded_s <= 0) {
        if (auto words = judge_words(exit); !words) {
            return std::unexpected(words.error());
        }
        return refuse("input_damaged", "no picture could be decoded");
    }
    const double missing_s = std::max(0.0, declared_s - decoded_s);
    const bool short_of_it = missing_s > std::max(0.5, declared_s * 0.02);
    const bool cut_off = says(exit, "partial file") || says(exit, "File ended prematurely");
    const auto amount = seconds_text(decoded_s) + " of " + seconds_text(declared_s) + " decode";
    if (short_of_it && (decoded_s < 1 || decoded_s < declared_s / 2)) {
        return refuse("input_damaged", "only " + amount);
    }
    std::vector<contracts::input_finding> findings;
    if (short_of_it || (cut_off && missing_s > 0.1)) {
        findings.push_back({"truncated", amount});
    }
    if (exit.code != 0) {
        findings.push_back(
            {"damaged", "decoding ended with an error after " + seconds_text(decoded_s)});
    }
    return findings;
}

result<void> check_rungs(const contracts::encode_plan& plan,
                         const std::vector<rung_segments>& rungs) {
    const auto wrong = [](std::string reason, std::string detail) {
        return fail(errc::internal, std::move(reason), std::move(detail));
    };
    if (rungs.size() != plan.rungs.size() || rungs.empty()) {
        return wrong("output_rungs_missing", "");
    }
    const auto& first = rungs.front().segments;
    const auto step = static_cast<std::int64_t>(std::llround(plan.segment_s * 90'000));
    const auto frame = static_cast<std::int64_t>(std::ceil(90'000 / plan.fps));
    for (std::size_t r = 0; r < rungs.size(); ++r) {
        const auto& rung = rungs[r];
        if (rung.segments.size() != first.size()) {
            return wrong("output_segments_missing", rung.name);
        }
        for (std::size_t n = 0; n < rung.segments.size(); ++n) {
            const auto& segment = rung.segments[n];
            const auto where = rung.name + " " + segment_name(n + 1);
            if (segment.first_pts != first[n].first_pts || segment.frames != first[n].frames) {
                return wrong("output_rungs_not_aligned", where);
            }
            const auto planned = start_pts_90k + static_cast<std::int64_t>(n) * step;
            if (std::abs(segment.first_pts - planned) > frame) {
                return wrong("output_cut_off_the_grid", where);
            }
            if (segment.sps.width != plan.rungs[r].width ||
                segment.sps.height != plan.rungs[r].height) {
                return wrong("output_wrong_size", where);
            }
            if (n > 0 && (segment.first_dts <= rung.segments[n - 1].last_dts ||
                          segment.first_pts <= rung.segments[n - 1].last_pts)) {
                return wrong("output_time_goes_back", where);
            }
        }
    }
    return {};
}

}  // namespace vora::worker
