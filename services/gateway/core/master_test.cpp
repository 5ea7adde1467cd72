#include "services/gateway/core/master.hpp"

#include "services/gateway/testing/fakes.hpp"

#include <gtest/gtest.h>

namespace vora::gateway {
namespace {

using testing::make_rendition;

const std::vector<rendition> ladder = {make_rendition("1080p", 1920, 1080, 6'000'000),
                                       make_rendition("720p", 1280, 720, 2'600'000),
                                       make_rendition("360p", 640, 360, 800'000)};

std::vector<std::string> uris(const std::string& master) {
    std::vector<std::string> found;
    std::size_t at = 0;
    while (at < master.size()) {
        const auto end = master.find('\n', at);
        if (master[at] != '#') {
            found.push_back(master.substr(at, end - at));
        }
        at = end + 1;
    }
    return found;
}

TEST(master, says_what_was_measured) {
    EXPECT_EQ(write_master({{"720p", 1280, 720, 2'600'000, 2'000'000, "avc1.64001f,mp4a.40.2",
                             30000.0 / 1001, 12}}),
              "#EXTM3U\n"
              "#EXT-X-VERSION:6\n"
              "#EXT-X-INDEPENDENT-SEGMENTS\n"
              "#EXT-X-STREAM-INF:BANDWIDTH=2600000,AVERAGE-BANDWIDTH=2000000,"
              "CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION=1280x720,FRAME-RATE=29.970\n"
              "720p/playlist.m3u8\n");
}

TEST(master, begins_with_the_variant_near_2000_kbit_and_then_rises) {
    EXPECT_EQ(uris(write_master(ladder)),
              (std::vector<std::string>{"720p/playlist.m3u8", "360p/playlist.m3u8",
                                        "1080p/playlist.m3u8"}));
}

TEST(master, begins_with_the_largest_when_all_are_small) {
    auto small = ladder;
    for (auto& r : small) {
        r.bandwidth /= 20;
        r.average_bandwidth /= 20;
    }
    EXPECT_EQ(uris(write_master(small)),
              (std::vector<std::string>{"1080p/playlist.m3u8", "360p/playlist.m3u8",
                                        "720p/playlist.m3u8"}));
}

TEST(master, without_an_average_the_peak_stands_for_it) {
    auto r = ladder[0];
    r.average_bandwidth = 0;
    EXPECT_NE(write_master({r}).find("AVERAGE-BANDWIDTH=6000000,"), std::string::npos);
}

TEST(master, leaves_out_what_is_not_known) {
    const auto text = write_master({{"360p", 0, 0, 100, 0, "", 0, 0}});
    for (const auto* attribute : {"CODECS", "RESOLUTION", "FRAME-RATE"}) {
        EXPECT_EQ(text.find(attribute), std::string::npos) << attribute;
    }
}

TEST(renditions, are_capped_by_the_short_side) {
    const auto capped = allowed_renditions(ladder, 720);
    ASSERT_EQ(capped.size(), 2u);
    EXPECT_EQ(capped[0].name, "720p");
    EXPECT_EQ(allowed_renditions(ladder, 0).size(), 3u);
    EXPECT_EQ(allowed_renditions({make_rendition("720p", 720, 1280, 1)}, 720).size(), 1u);
}

TEST(renditions, the_smallest_always_stays) {
    const auto capped = allowed_renditions(ladder, 100);
    ASSERT_EQ(capped.size(), 1u);
    EXPECT_EQ(capped[0].name, "360p");
}

}  // namespace
}  // namespace vora::gateway
