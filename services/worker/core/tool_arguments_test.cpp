#include "services/worker/core/tool_arguments.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace vora::worker {
namespace {

contracts::encode_plan plan() {
    contracts::encode_plan p;
    p.rungs = {{"1080p", 1920, 1080, 4'820'000, 21}, {"360p", 640, 360, 860'000, 21}};
    p.fps = 30000.0 / 1001;
    p.audio = true;
    p.video_stream_index = 0;
    p.audio_stream_index = 2;
    p.output_s_max = 70;
    return p;
}

const sniffed_format mov{"mov", true, false};

bool has_pair(const arguments& all, const std::string& name, const std::string& value) {
    for (std::size_t n = 0; n + 1 < all.size(); ++n) {
        if (all[n] == name && all[n + 1] == value) {
            return true;
        }
    }
    return false;
}

std::string after(const arguments& all, const std::string& name) {
    const auto at = std::find(all.begin(), all.end(), name);
    return at == all.end() || at + 1 == all.end() ? "" : *(at + 1);
}

TEST(tool_arguments, bind_every_tool_to_one_format_and_to_files) {
    for (const auto& all : {probe_arguments(mov, 1000), packet_scan_arguments(mov, 0),
                            encode_arguments(plan(), mov, 2)}) {
        EXPECT_TRUE(has_pair(all, "-protocol_whitelist", "file"));
        EXPECT_TRUE(has_pair(all, "-format_whitelist", "mov"));
        EXPECT_TRUE(has_pair(all, "-f", "mov"));
        EXPECT_TRUE(has_pair(all, "-i", "input"));
        EXPECT_FALSE(after(all, "-codec_whitelist").empty());
        const auto whitelist = std::find(all.begin(), all.end(), "-protocol_whitelist");
        EXPECT_LT(whitelist, std::find(all.begin(), all.end(), "-i"));
    }
    EXPECT_TRUE(has_pair(probe_arguments(mov, 1000), "-max_pixels", "1000"));
}

TEST(encode_arguments, decode_once_and_decide_the_rate_before_the_split) {
    EXPECT_EQ(after(encode_arguments(plan(), mov, 2), "-filter_complex"),
              "[0:0]setpts='PTS-if(lt(STARTT,0.0337),STARTPTS,0)',fps=30000/"
              "1001:start_time=0,trim=end=70.000,split=2[s0][s1];"
              "[s0]scale=1920:1080:flags=bicubic:out_range=tv,setsar=1,format=yuv420p[v0];"
              "[s1]scale=640:360:flags=bicubic:out_range=tv,setsar=1,format=yuv420p[v1]");
    const auto all = encode_arguments(plan(), mov, 2);
    EXPECT_TRUE(has_pair(all, "-filter_complex",
                         "[0:2]aresample=48000:async=1:first_pts=0,atrim=end=70.000,"
                         "aformat=sample_fmts=fltp:sample_rates=48000:channel_layouts=stereo[a]"));
}

TEST(encode_arguments, force_keyframes_on_the_grid_and_nowhere_else) {
    const auto all = encode_arguments(plan(), mov, 2);
    EXPECT_EQ(after(all, "-force_key_frames:v"), "expr:gte(t,n_forced*4.000-0.001)");
    EXPECT_EQ(after(all, "-sc_threshold:v"), "0");
    EXPECT_GT(std::stoi(after(all, "-g:v")), 120);
    EXPECT_EQ(after(all, "-maxrate:v:0"), "4820000");
    EXPECT_EQ(after(all, "-bufsize:v:1"), std::to_string(860'000 * 200 / 107));
    EXPECT_EQ(after(all, "-threads:v:1"), "2");
}

TEST(encode_arguments, mux_the_one_sound_into_every_rung) {
    const auto outputs = encode_arguments(plan(), mov, 2).back();
    EXPECT_NE(outputs.find("select=\\'v:0,a:0\\'"), std::string::npos) << outputs;
    EXPECT_NE(outputs.find("select=\\'v:1,a:0\\'"), std::string::npos);
    EXPECT_NE(outputs.find("r1/seg_%02d.ts"), std::string::npos);
    auto silent = plan();
    silent.audio = false;
    const auto all = encode_arguments(silent, mov, 2);
    EXPECT_EQ(all.back().find("a:0"), std::string::npos);
    EXPECT_EQ(std::count(all.begin(), all.end(), "-c:a"), 0);
}

TEST(encode_arguments, carry_nothing_of_the_inputs_metadata) {
    const auto all = encode_arguments(plan(), mov, 2);
    EXPECT_TRUE(has_pair(all, "-map_metadata", "-1"));
    EXPECT_TRUE(has_pair(all, "-map_chapters", "-1"));
    EXPECT_TRUE(has_pair(all, "-fflags", "+bitexact"));
}

TEST(rate_text, is_exact) {
    EXPECT_EQ(rate_text(25), "25");
    EXPECT_EQ(rate_text(24000.0 / 1001), "24000/1001");
    EXPECT_EQ(rate_text(30000.0 / 1001), "30000/1001");
    EXPECT_EQ(rate_text(60000.0 / 1001), "60000/1001");
    EXPECT_EQ(rate_text(12.5), "12500/1000");
    EXPECT_EQ(rate_text(1), "1");
}

TEST(segment_name, has_two_digits_or_more) {
    EXPECT_EQ(segment_name(1), "seg_01.ts");
    EXPECT_EQ(segment_name(99), "seg_99.ts");
    EXPECT_EQ(segment_name(100), "seg_100.ts");
}

}  // namespace
}  // namespace vora::worker
