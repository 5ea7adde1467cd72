#include "services/worker/core/ffprobe_output.hpp"

#include <gtest/gtest.h>

namespace vora::worker {
namespace {

std::string with_streams(const std::string& streams) {
    return R"({"streams":[)" + streams + R"(],"format":{"duration":"10.5","start_time":"1.25"}})";
}

const std::string video =
    R"({"index":1,"codec_type":"video","codec_name":"h264","width":1440,"height":1080,
        "sample_aspect_ratio":"4:3","pix_fmt":"yuv420p","r_frame_rate":"30000/1001",
        "avg_frame_rate":"2997/100","duration":"10.01","disposition":{"attached_pic":0}})";
const std::string cover =
    R"({"index":0,"codec_type":"video","codec_name":"mjpeg","width":600,"height":600,
        "disposition":{"attached_pic":1}})";
const std::string sound =
    R"({"index":2,"codec_type":"audio","codec_name":"aac","channels":6,"sample_rate":"44100"})";

TEST(parse_probe, takes_the_first_track_that_is_no_cover_art) {
    auto facts = parse_probe(with_streams(cover + "," + video + "," + sound));
    ASSERT_TRUE(facts);
    EXPECT_EQ(facts->video_stream_index, 1);
    EXPECT_EQ(facts->audio_stream_index, 2);
    EXPECT_EQ(facts->audio_channels, 6);
    EXPECT_EQ(facts->duration_s, 10.5);
    EXPECT_EQ(facts->video_duration_s, 10.01);
    EXPECT_EQ(facts->start_s, 1.25);
    EXPECT_NEAR(facts->fps, 29.97, 1e-9);
    EXPECT_NEAR(facts->fps_nominal, 29.97, 1e-3);
}

TEST(parse_probe, stretches_pixels_that_are_not_square) {
    auto facts = parse_probe(with_streams(video));
    ASSERT_TRUE(facts);
    EXPECT_EQ(facts->width, 1920);
    EXPECT_EQ(facts->height, 1080);
    EXPECT_EQ(facts->coded_width, 1440);
}

TEST(parse_probe, does_not_believe_absurd_numbers) {
    auto facts = parse_probe(R"({"streams":[{"index":0,"codec_type":"video","codec_name":"h264",
        "width":99999999,"height":-5,"sample_aspect_ratio":"1:100000","avg_frame_rate":"1/0",
        "r_frame_rate":"x/y","duration":"1e300","tags":{"DURATION":"99:99"}}],
        "format":{"duration":"nan","start_time":"inf"}})");
    ASSERT_TRUE(facts);
    EXPECT_EQ(facts->width, 0);
    EXPECT_EQ(facts->height, 0);
    EXPECT_EQ(facts->fps, 0);
    EXPECT_EQ(facts->fps_nominal, 0);
    EXPECT_EQ(facts->video_duration_s, 0);
    EXPECT_EQ(facts->duration_s, 0);
    EXPECT_EQ(facts->start_s, 0);
}

TEST(parse_probe, skips_sound_that_cannot_be_decoded) {
    auto facts = parse_probe(with_streams(
        R"({"index":0,"codec_type":"audio","codec_name":"unknown","channels":2,
            "sample_rate":"8000"},
           {"index":1,"codec_type":"audio","codec_name":"aac","channels":0,"sample_rate":"8"},)" +
        sound));
    ASSERT_TRUE(facts);
    EXPECT_EQ(facts->audio_stream_index, 2);
    EXPECT_FALSE(facts->has_video);
}

TEST(parse_probe, reads_matroskas_duration_tag) {
    auto facts = parse_probe(with_streams(
        R"({"index":0,"codec_type":"video","codec_name":"vp9","width":64,"height":64,
            "tags":{"DURATION":"00:01:02.500000000"}})"));
    ASSERT_TRUE(facts);
    EXPECT_EQ(facts->video_duration_s, 62.5);
}

TEST(parse_probe, calls_nonsense_damaged) {
    for (const char* text :
         {"", "{", "[]", "{}", R"({"streams":[]})", R"({"streams":7})", "null"}) {
        auto facts = parse_probe(text);
        ASSERT_FALSE(facts) << text;
        EXPECT_EQ(facts.error().code, "input_damaged");
    }
    EXPECT_TRUE(parse_probe(R"({"streams":[1,null,"x",{}],"format":3})"));
}

TEST(packet_scan, counts_packets_and_finds_the_last_end) {
    packet_scan scan;
    for (const char* line : {"0.000000,-0.08,0.040000", "0.120000,-0.04,0.040000", "N/A,0.2,0.04",
                             "0.080000,0.00,N/A", "nonsense", ""}) {
        scan.line(line);
    }
    EXPECT_EQ(scan.packets(), 5);
    EXPECT_NEAR(scan.end_s(), 0.24, 1e-9);
}

}  // namespace
}  // namespace vora::worker
