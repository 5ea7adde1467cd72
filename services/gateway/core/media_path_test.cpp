#include "services/gateway/core/media_path.hpp"

#include <gtest/gtest.h>

namespace vora::gateway {
namespace {

TEST(media_path, knows_the_four_kinds) {
    EXPECT_EQ(parse_media_path("master.m3u8")->kind, object_kind::master);
    EXPECT_EQ(parse_media_path("thumbnail.jpg")->kind, object_kind::thumbnail);
    const auto playlist = parse_media_path("720p/playlist.m3u8");
    EXPECT_EQ(playlist->kind, object_kind::playlist);
    EXPECT_EQ(playlist->rendition, "720p");
}

TEST(media_path, reads_segment_numbers_of_two_and_more_digits) {
    for (const auto& [file, number] : {std::pair{"720p/seg_01.ts", 1},
                                       {"720p/seg_10.ts", 10},
                                       {"160p/seg_99.ts", 99},
                                       {"2160p/seg_100.ts", 100},
                                       {"360p/seg_10800.ts", 10800}}) {
        const auto path = parse_media_path(file);
        ASSERT_TRUE(path) << file;
        EXPECT_EQ(path->kind, object_kind::segment);
        EXPECT_EQ(path->segment, number);
    }
}

TEST(media_path, knows_nothing_else) {
    for (const auto* path : {"",
                             "/",
                             "/master.m3u8",
                             "master.m3u8/",
                             "MASTER.M3U8",
                             "master.m3u8\n",
                             "playlist.m3u8",
                             "thumbnail.png",
                             "plan.json",
                             "720p",
                             "720p/",
                             "720p//playlist.m3u8",
                             "720p/playlist.m3u8/x",
                             "720p/master.m3u8",
                             "720/playlist.m3u8",
                             "p/playlist.m3u8",
                             "0720p/playlist.m3u8",
                             "720P/playlist.m3u8",
                             "1234567p/playlist.m3u8",
                             "../720p/playlist.m3u8",
                             "..p/playlist.m3u8",
                             "g1/720p/playlist.m3u8",
                             "audio/playlist.m3u8",
                             "720p/seg_1.ts",
                             "720p/seg_00.ts",
                             "720p/seg_001.ts",
                             "720p/seg_.ts",
                             "720p/seg_ts",
                             "720p/seg_01",
                             "720p/seg_01.ts.tmp",
                             "720p/seg_01.mp4",
                             "720p/seg_-1.ts",
                             "720p/seg_+1.ts",
                             "720p/seg_0x1.ts",
                             "720p/seg_1e1.ts",
                             "720p/seg_9999999999.ts",
                             "720p/seg_99999999999999999999.ts",
                             "720p/seg_01.ts?x",
                             "720p\\seg_01.ts"}) {
        EXPECT_FALSE(parse_media_path(path)) << path;
    }
    EXPECT_FALSE(parse_media_path(std::string_view("720p/seg_01.ts\0", 15)));
}

}  // namespace
}  // namespace vora::gateway
