#include "services/worker/core/playlist.hpp"

#include <gtest/gtest.h>

namespace vora::worker {
namespace {

segment_facts segment(std::int64_t first_pts, std::int64_t frames, std::int64_t step,
                      std::uint64_t bytes, std::int64_t audio_frames = 0) {
    segment_facts s;
    s.first_pts = first_pts;
    s.last_pts = first_pts + (frames - 1) * step;
    s.frames = frames;
    s.size_bytes = bytes;
    s.audio_frames = audio_frames;
    s.sps = {100, 0, 30, 640, 360};
    return s;
}

rung_segments rung() {
    return {"360p",
            25,
            {segment(900'000, 100, 3600, 400'000, 188), segment(1'260'000, 100, 3600, 200'000, 187),
             segment(1'620'000, 1, 3600, 30'000, 2)}};
}

TEST(media_playlist, adds_up_to_the_pictures) {
    EXPECT_EQ(
        media_playlist(segment_durations(rung())),
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:1\n"
        "#EXT-X-PLAYLIST-TYPE:VOD\n#EXTINF:4.000000,\nseg_01.ts\n#EXTINF:4.000000,\nseg_02.ts\n"
        "#EXTINF:0.040000,\nseg_03.ts\n#EXT-X-ENDLIST\n");
}

TEST(media_playlist, has_a_target_duration_that_no_segment_rounds_above) {
    EXPECT_NE(media_playlist({0.04}).find("TARGETDURATION:1\n"), std::string::npos);
    EXPECT_NE(media_playlist({4.49, 1}).find("TARGETDURATION:4\n"), std::string::npos);
    EXPECT_NE(media_playlist({4.5, 1}).find("TARGETDURATION:5\n"), std::string::npos);
}

TEST(measure, announces_the_largest_segment_but_not_a_tail_of_one_picture) {
    const auto facts = measure(rung());
    EXPECT_EQ(facts.bandwidth, 800'000);
    EXPECT_EQ(facts.average_bandwidth, 626'866);  // 8 * 630'000 / 8.04, rounded up
    EXPECT_EQ(facts.frames, 201);
    EXPECT_EQ(facts.segments, 3);
    EXPECT_EQ(facts.size_bytes, 630'000);
    EXPECT_EQ(facts.codecs, "avc1.64001e,mp4a.40.2");
    EXPECT_EQ(facts.width, 640);
}

TEST(measure, announces_the_only_segment_however_short) {
    const auto facts = measure({"360p", 25, {segment(900'000, 1, 3600, 10'000)}});
    EXPECT_EQ(facts.bandwidth, 2'000'000);
    EXPECT_EQ(facts.codecs, "avc1.64001e");
}

TEST(master_playlist, lists_what_it_is_given) {
    contracts::rendition_facts r{"360p", 640, 360, 800'000, 626'866, "avc1.64001e,mp4a.40.2",
                                 29.97,  201, 3,   630'000};
    EXPECT_EQ(master_playlist({r}),
              "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-INDEPENDENT-SEGMENTS\n"
              "#EXT-X-STREAM-INF:BANDWIDTH=800000,AVERAGE-BANDWIDTH=626866,RESOLUTION=640x360,"
              "FRAME-RATE=29.970,CODECS=\"avc1.64001e,mp4a.40.2\"\n360p/playlist.m3u8\n");
}

}  // namespace
}  // namespace vora::worker
