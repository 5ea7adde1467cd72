#include "services/worker/testing/media_bench.hpp"

#include <gtest/gtest.h>

namespace vora::worker {
namespace {

const std::string picture = "-f lavfi -i testsrc2=s=320x240:r=25:d=2 ";
const std::string tone = "-f lavfi -i sine=d=2 ";
const std::string encoders = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac ";

std::string code(const media_result<contracts::probe_facts>& r) {
    return r ? "" : r.error().code;
}

TEST(probe, says_what_a_plain_clip_is) {
    media_bench bench;
    bench.make("u/a.mp4", picture + tone + encoders);
    auto facts = bench.probe("u/a.mp4");
    ASSERT_TRUE(facts) << facts.error().code;
    EXPECT_EQ(facts->container, "mov");
    EXPECT_TRUE(facts->has_video);
    EXPECT_TRUE(facts->has_audio);
    EXPECT_EQ(facts->video_codec, "h264");
    EXPECT_EQ(facts->audio_codec, "aac");
    EXPECT_EQ(facts->width, 320);
    EXPECT_EQ(facts->height, 240);
    EXPECT_EQ(facts->fps, 25);
    EXPECT_EQ(facts->video_packets, 50);
    EXPECT_NEAR(facts->video_end_s, 2, 0.05);
    EXPECT_NEAR(facts->duration_s, 2, 0.05);
    EXPECT_EQ(bench.files_in("scratch"), 0u) << "the job directory is gone";
}

TEST(probe, gives_sizes_as_they_are_shown) {
    media_bench bench;
    bench.make("u/plain.mp4", picture + encoders);
    shell("ffmpeg -nostdin -v error -y -i " + bench.directory.path() +
          "/made-plain.mp4 -c copy -metadata:s:v:0 rotate=90 " + bench.directory.path() +
          "/turned.mp4");
    bench.put("u/turned.mp4", read_file(bench.directory / "turned.mp4"));
    auto turned = bench.probe("u/turned.mp4");
    ASSERT_TRUE(turned);
    EXPECT_EQ(turned->width, 240);
    EXPECT_EQ(turned->height, 320);
    EXPECT_EQ(turned->rotation_degrees % 180, 90);

    bench.make("u/wide.mp4", picture + "-vf setsar=4/3 " + encoders);
    auto wide = bench.probe("u/wide.mp4");
    ASSERT_TRUE(wide);
    EXPECT_EQ(wide->width, 427);
    EXPECT_EQ(wide->height, 240);
}

TEST(probe, refuses_what_is_no_media) {
    media_bench bench;
    bench.put("u/empty", "");
    EXPECT_EQ(code(bench.probe("u/empty")), "input_empty");
    bench.put("u/text", "This is a letter, not a film.\n");
    EXPECT_EQ(code(bench.probe("u/text")), "input_not_video");
    bench.put("u/hls", "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\na.ts\n#EXT-X-ENDLIST\n");
    EXPECT_EQ(code(bench.probe("u/hls")), "input_not_video");
    bench.put("u/concat", "ffconcat version 1.0\nfile input\n");
    EXPECT_EQ(code(bench.probe("u/concat")), "input_not_video");
    bench.make("u/jpg.jpg", picture + "-frames:v 1 -f image2 ");
    EXPECT_EQ(code(bench.probe("u/jpg.jpg")), "input_not_video");
    bench.put("u/zip", std::string("PK\x03\x04", 4) + std::string(1000, 'x'));
    EXPECT_EQ(code(bench.probe("u/zip")), "input_not_video");
}

TEST(probe, calls_a_container_it_cannot_open_damaged) {
    media_bench bench;
    bench.make("u/tail.mp4", picture + encoders);  // its index is at the end
    const auto whole = bench.raw_bytes("u/tail.mp4");
    bench.put("u/cut", whole.substr(0, whole.size() / 2));
    EXPECT_EQ(code(bench.probe("u/cut")), "input_damaged");
}

TEST(probe, finds_no_video_in_sound_and_in_cover_art) {
    media_bench bench;
    bench.make("u/sound.m4a", tone + "-c:a aac ");
    auto sound = bench.probe("u/sound.m4a");
    ASSERT_TRUE(sound);
    EXPECT_FALSE(sound->has_video);
    EXPECT_TRUE(sound->has_audio);
    bench.make("u/cover.mp3", tone + picture +
                                  "-map 0:a -map 1:v -frames:v 1 -c:v mjpeg -pix_fmt yuvj420p "
                                  "-disposition:v attached_pic -c:a libmp3lame -id3v2_version 3 ");
    auto cover = bench.probe("u/cover.mp3");
    ASSERT_TRUE(cover) << cover.error().code;
    EXPECT_FALSE(cover->has_video);
}

TEST(probe, stops_before_a_picture_that_is_far_too_large) {
    media_bench bench;
    bench.make("u/big.mp4", "-f lavfi -i testsrc2=s=2560x1440:r=25 -frames:v 1 " + encoders);
    contracts::media_limits limits;
    limits.pixels_max = 320 * 240;
    EXPECT_EQ(code(bench.probe("u/big.mp4", limits)), "input_too_many_pixels");
}

TEST(probe, takes_the_length_of_streams_that_declare_none_from_their_packets) {
    media_bench bench;
    bench.make("u/a.ts", picture + tone + encoders);
    auto facts = bench.probe("u/a.ts");
    ASSERT_TRUE(facts) << facts.error().code;
    EXPECT_EQ(facts->container, "mpegts");
    EXPECT_NEAR(facts->video_duration_s, 2, 0.1);
    EXPECT_NEAR(facts->duration_s, 2, 0.1);
}

TEST(probe, does_not_change_the_stored_input) {
    media_bench bench;
    bench.make("u/a.mp4", picture + encoders);
    const auto before = bench.raw_bytes("u/a.mp4");
    ASSERT_TRUE(bench.probe("u/a.mp4"));
    EXPECT_EQ(bench.raw_bytes("u/a.mp4"), before);
}

TEST(probe, says_when_the_source_is_gone) {
    media_bench bench;
    auto facts = bench.probe("u/nothing");
    ASSERT_FALSE(facts);
    EXPECT_EQ(facts.error().code, "storage_object_lost");
    EXPECT_FALSE(facts.error().retryable);
}

}  // namespace
}  // namespace vora::worker
