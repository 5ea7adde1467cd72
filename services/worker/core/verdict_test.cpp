#include "services/worker/core/verdict.hpp"

#include <gtest/gtest.h>

namespace vora::worker {
namespace {

tool_exit ended(tool_exit::how how, int code = 0, std::string errors = {}) {
    tool_exit e;
    e.ended = how;
    e.code = code;
    e.errors = std::move(errors);
    return e;
}

tool_exit exited(int code, std::string errors = {}) {
    return ended(tool_exit::how::exited, code, std::move(errors));
}

template <class T>
std::string said(const media_result<T>& r) {
    return r ? "" : r.error().code + (r.error().retryable ? " retry" : "");
}

std::string found(double declared_s, double decoded_s, const tool_exit& e = exited(0)) {
    auto r = judge_output(e, declared_s, decoded_s);
    if (!r) {
        return said(r);
    }
    std::string codes = "ready";
    for (const auto& finding : *r) {
        codes += " " + finding.code;
    }
    return codes;
}

TEST(judge_encoder, tells_crashes_from_costs_and_from_cancellation) {
    using how = tool_exit::how;
    EXPECT_EQ(said(judge_encoder(ended(how::killed))), "encoder_crashed retry");
    EXPECT_EQ(said(judge_encoder(ended(how::wall_limit))), "encoder_crashed retry");
    EXPECT_EQ(said(judge_encoder(ended(how::silent))), "encoder_crashed retry");
    EXPECT_EQ(said(judge_encoder(ended(how::not_started))), "encoder_crashed retry");
    EXPECT_EQ(said(judge_encoder(ended(how::cpu_limit))), "input_too_expensive");
    EXPECT_EQ(said(judge_encoder(ended(how::stopped))), "cancelled retry");
    EXPECT_EQ(said(judge_encoder(exited(1, "No space left on device"))),
              "storage_unavailable retry");
    EXPECT_EQ(said(judge_encoder(exited(1, "Cannot allocate memory"))), "encoder_crashed retry");
    EXPECT_EQ(said(judge_encoder(exited(1, "Invalid data found"))), "") << "its output decides";
}

TEST(judge_probe, calls_an_unreadable_file_damaged_only_if_it_is_media) {
    EXPECT_EQ(said(judge_probe(exited(0), true)), "");
    EXPECT_EQ(said(judge_probe(exited(1), true)), "input_damaged");
    EXPECT_EQ(said(judge_probe(exited(1), false)), "input_not_video");
    EXPECT_EQ(
        said(judge_probe(exited(1, "Picture size 1x1 exceeds specified max pixel count 9"), true)),
        "input_too_many_pixels");
    EXPECT_EQ(said(judge_probe(exited(1, "Codec (dirac) not on whitelist"), true)),
              "input_unsupported_codec");
    EXPECT_EQ(said(judge_probe(ended(tool_exit::how::cpu_limit), true)), "input_damaged");
}

TEST(judge_output, wants_a_second_and_half_of_the_declared_length) {
    EXPECT_EQ(found(10, 10), "ready");
    EXPECT_EQ(found(10, 9.8), "ready") << "rounding of lengths";
    EXPECT_EQ(found(10, 9), "ready truncated");
    EXPECT_EQ(found(10, 5), "ready truncated");
    EXPECT_EQ(found(10, 4.9), "input_damaged");
    EXPECT_EQ(found(1.8, 0.95), "input_damaged") << "less than a second";
    EXPECT_EQ(found(10, 0), "input_damaged");
    EXPECT_EQ(found(0.04, 0.04), "ready");
    EXPECT_EQ(found(0, 3), "ready") << "nothing was declared";
    EXPECT_EQ(found(3, 10), "ready") << "more than declared";
}

TEST(judge_output, believes_the_demuxer_that_the_file_is_cut_off) {
    EXPECT_EQ(found(10, 9.8, exited(0, "stream 0, offset 0x10: partial file")), "ready truncated");
    EXPECT_EQ(found(10, 10, exited(0, "partial file")), "ready");
    EXPECT_EQ(found(10, 8, exited(1, "Error")), "ready truncated damaged");
}

TEST(judge_output, names_a_missing_decoder) {
    EXPECT_EQ(found(10, 0, exited(1, "Codec (dirac) not on whitelist 'h264'")),
              "input_unsupported_codec");
}

contracts::encode_plan plan() {
    contracts::encode_plan p;
    p.rungs = {{"360p", 640, 360, 1, 21}, {"180p", 320, 180, 1, 21}};
    p.fps = 25;
    p.segment_s = 4;
    return p;
}

rung_segments rung(const char* name, int width, int height) {
    rung_segments r{name, 25, {}};
    for (int n = 0; n < 3; ++n) {
        segment_facts s;
        s.first_pts = 900'000 + n * 360'000;
        s.first_dts = s.first_pts - 7200;
        s.last_pts = s.first_pts + 99 * 3600;
        s.last_dts = s.last_pts - 7200;
        s.frames = 100;
        s.sps = {100, 0, 30, width, height};
        r.segments.push_back(s);
    }
    return r;
}

TEST(check_rungs, wants_the_same_cuts_in_every_rung_on_the_grid) {
    const std::vector<rung_segments> good{rung("360p", 640, 360), rung("180p", 320, 180)};
    EXPECT_TRUE(check_rungs(plan(), good));
    const auto reason = [](std::vector<rung_segments> rungs) {
        auto r = check_rungs(plan(), rungs);
        return r ? std::string() : r.error().reason;
    };
    auto bad = good;
    bad.pop_back();
    EXPECT_EQ(reason(bad), "output_rungs_missing");
    bad = good;
    bad[1].segments.pop_back();
    EXPECT_EQ(reason(bad), "output_segments_missing");
    bad = good;
    bad[1].segments[1].first_pts += 3600;
    EXPECT_EQ(reason(bad), "output_rungs_not_aligned");
    bad = good;
    bad[1].segments[2].frames = 99;
    EXPECT_EQ(reason(bad), "output_rungs_not_aligned");
    bad = good;
    bad[0].segments[1].first_pts = bad[1].segments[1].first_pts += 9000;
    EXPECT_EQ(reason(bad), "output_cut_off_the_grid");
    bad = good;
    bad[1].segments[0].sps.width = 640;
    EXPECT_EQ(reason(bad), "output_wrong_size");
    bad = good;
    bad[0].segments[1].last_dts = bad[0].segments[2].first_dts;
    EXPECT_EQ(reason(bad), "output_time_goes_back");
}

}  // namespace
}  // namespace vora::worker
