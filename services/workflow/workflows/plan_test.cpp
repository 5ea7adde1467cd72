#include "services/workflow/workflows/plan.hpp"

#include <gtest/gtest.h>

namespace vora::workflow {
namespace {

contracts::probe_facts clip(int width, int height, double fps = 30, double duration_s = 30) {
    contracts::probe_facts f;
    f.has_video = true;
    f.width = f.coded_width = width;
    f.height = f.coded_height = height;
    f.fps = f.fps_nominal = fps;
    f.duration_s = f.video_duration_s = f.video_end_s = duration_s;
    f.video_packets = static_cast<std::int64_t>(fps * duration_s);
    f.video_stream_index = 0;
    return f;
}

std::string names(int width, int height) {
    std::string out;
    for (const auto& rung : plan_ladder(width, height, 30)) {
        out +=
            rung.name + ":" + std::to_string(rung.width) + "x" + std::to_string(rung.height) + " ";
    }
    return out;
}

std::string refusal_of(const contracts::probe_facts& f, const contracts::ingest_input& in = {}) {
    auto plan = plan_encode(f, in);
    return plan ? "" : plan.error().code;
}

TEST(plan_ladder, has_the_rungs_that_are_not_above_the_source) {
    EXPECT_EQ(names(1920, 1080), "1080p:1920x1080 720p:1280x720 360p:640x360 ");
    EXPECT_EQ(names(3840, 2160), "1080p:1920x1080 720p:1280x720 360p:640x360 ");
    EXPECT_EQ(names(1600, 900), "720p:1280x720 360p:640x360 ");
    EXPECT_EQ(names(960, 540), "360p:640x360 ");
    EXPECT_EQ(names(640, 361), "360p:638x360 ");
}

TEST(plan_ladder, uses_the_sources_own_even_short_side_below_360) {
    EXPECT_EQ(names(320, 240), "240p:320x240 ");
    EXPECT_EQ(names(241, 161), "160p:240x160 ");
    EXPECT_EQ(names(161, 241), "160p:160x240 ");
    EXPECT_EQ(names(639, 359), "358p:638x358 ");
}

TEST(plan_ladder, bounds_the_short_side_of_portrait_pictures) {
    EXPECT_EQ(names(1080, 1920), "1080p:1080x1920 720p:720x1280 360p:360x640 ");
    EXPECT_EQ(names(720, 720), "720p:720x720 360p:360x360 ");
}

TEST(plan_ladder, gives_even_sizes_and_bit_rates_for_any_picture) {
    for (int width : {1, 2, 3, 16, 99, 353, 720, 1001, 1919, 4000, 8192}) {
        for (int height : {1, 2, 5, 17, 161, 361, 541, 1079, 1081, 4001}) {
            for (const auto& rung : plan_ladder(width, height, 30)) {
                EXPECT_EQ(rung.width % 2, 0) << width << "x" << height;
                EXPECT_EQ(rung.height % 2, 0) << width << "x" << height;
                EXPECT_GE(std::min(rung.width, rung.height), 2);
                EXPECT_EQ(rung.name, std::to_string(std::min(rung.width, rung.height)) + "p");
                EXPECT_GE(rung.video_bitrate_max, 100'000);
            }
        }
    }
}

TEST(plan_ladder, spends_fewer_bits_on_smaller_rungs) {
    auto rungs = plan_ladder(1920, 1080, 30);
    ASSERT_EQ(rungs.size(), 3u);
    EXPECT_EQ(rungs[0].video_bitrate_max, 4'820'000);
    EXPECT_GT(rungs[0].video_bitrate_max, rungs[1].video_bitrate_max);
    EXPECT_GT(rungs[1].video_bitrate_max, rungs[2].video_bitrate_max);
    EXPECT_GT(plan_ladder(1920, 1080, 60)[0].video_bitrate_max, rungs[0].video_bitrate_max);
}

TEST(plan_frame_rate, keeps_constant_rates_exactly) {
    EXPECT_EQ(plan_frame_rate(clip(640, 360, 25)), 25);
    EXPECT_EQ(plan_frame_rate(clip(640, 360, 29.97)), rate_29_970);
    EXPECT_EQ(plan_frame_rate(clip(640, 360, 23.976)), rate_23_976);
    EXPECT_EQ(plan_frame_rate(clip(640, 360, 12.5)), 12.5);
    EXPECT_EQ(plan_frame_rate(clip(640, 360, 1)), 1);
}

TEST(plan_frame_rate, caps_at_60_by_whole_divisors) {
    EXPECT_EQ(plan_frame_rate(clip(640, 360, 60)), 60);
    EXPECT_EQ(plan_frame_rate(clip(640, 360, 120)), 60);
    EXPECT_EQ(plan_frame_rate(clip(640, 360, 240)), 60);
    EXPECT_EQ(plan_frame_rate(clip(640, 360, 100)), 50);
    EXPECT_EQ(plan_frame_rate(clip(640, 360, 119.88)), rate_59_940);
    EXPECT_EQ(plan_frame_rate(clip(640, 360, 90'000)), 60);
}

TEST(plan_frame_rate, takes_the_nearest_sensible_rate_when_it_varies) {
    auto f = clip(640, 360, 26.777);
    f.fps_nominal = 120;
    EXPECT_EQ(plan_frame_rate(f), 25);
    f.fps = 29.4;
    f.fps_nominal = 90'000;
    EXPECT_EQ(plan_frame_rate(f), rate_29_970);
    f.fps = 0;
    EXPECT_EQ(plan_frame_rate(f), 25);
}

TEST(plan_frame_rate, gives_a_camera_that_skipped_pictures_its_own_rate) {
    auto f = clip(1920, 1080, 27.02);
    f.fps_nominal = 30.01;
    EXPECT_EQ(plan_frame_rate(f), 30);
    f.fps = 24;
    f.fps_nominal = 60;
    EXPECT_EQ(plan_frame_rate(f), 24);
}

TEST(plan_frame_rate, follows_the_moving_parts_of_a_screen_recording) {
    auto f = clip(640, 360, 4, 600);
    f.fps_nominal = 30;
    EXPECT_EQ(plan_frame_rate(f), 30);
}

TEST(plan_frame_rate, does_not_turn_a_gap_into_millions_of_frames) {
    auto f = clip(320, 240, 25, 36'000);
    f.fps = 0.0069;
    f.fps_nominal = 25;
    f.video_packets = 250;
    EXPECT_EQ(plan_frame_rate(f), 1);
}

TEST(plan_encode, refuses_what_is_no_video_or_beyond_the_limits) {
    contracts::ingest_input in;
    in.limits.duration_max_s = 60;
    in.limits.pixels_max = 1920 * 1080;
    EXPECT_EQ(refusal_of(clip(1920, 1080), in), "");
    EXPECT_EQ(refusal_of(clip(1921, 1080), in), "input_too_many_pixels");
    EXPECT_EQ(refusal_of(clip(1920, 1080, 30, 60.5), in), "input_too_long");
    EXPECT_EQ(refusal_of(clip(0, 0), in), "input_damaged");
    auto no_video = clip(640, 360);
    no_video.has_video = false;
    EXPECT_EQ(refusal_of(no_video, in), "input_no_video");
}

TEST(plan_encode, has_no_limits_when_none_are_given) {
    EXPECT_EQ(refusal_of(clip(8192, 4320, 30, 1e6)), "");
}

TEST(plan_encode, measures_decoding_against_the_declared_length) {
    auto f = clip(640, 360, 25, 20);
    f.duration_s = 21;
    f.video_end_s = 8;
    contracts::ingest_input in;
    in.cpu_factor_max = 10;
    auto plan = plan_encode(f, in);
    ASSERT_TRUE(plan);
    EXPECT_EQ(plan->duration_s, 20);
    EXPECT_EQ(plan->output_s_max, 31);
    EXPECT_EQ(plan->cpu_seconds_max, 60 + 210);
    EXPECT_EQ(plan->segment_s, 4);
    EXPECT_FALSE(plan->audio);
    EXPECT_EQ(plan->audio_stream_index, -1);
}

}  // namespace
}  // namespace vora::workflow
