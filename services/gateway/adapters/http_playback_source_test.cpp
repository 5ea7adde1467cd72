#include "services/gateway/adapters/http_playback_source.hpp"

#include <gtest/gtest.h>

namespace vora::gateway {
namespace {

constexpr auto id = "6d4d9c5e-4c0f-4a86-9f0c-3f3f3b7a2f10";

std::string answer(const std::string& prefix, const std::string& renditions,
                   const std::string& video_id = id) {
    return R"({"video_id":")" + video_id + R"(","state":"READY","playable":true,"public":false,)" +
           R"("generation":1,"version":4,"prefix":")" + prefix + R"(","renditions":)" + renditions +
           R"(,"duration_s":12.5})";
}

std::string one(const std::string& changes = "") {
    return R"([{"name":"360p","width":640,"height":360,"bandwidth":800000,)"
           R"("average_bandwidth":600000,)"
           R"("codecs":"avc1.64001e,mp4a.40.2","frame_rate":29.97,"segments":3)" +
           changes + "}]";
}

TEST(playback_answers, are_read_as_the_contract_says) {
    const auto info = parse_playback_answer(answer(std::string(id) + "/", one()), id);
    ASSERT_TRUE(info) << info.error().detail;
    EXPECT_TRUE(info->playable);
    EXPECT_FALSE(info->is_public);
    EXPECT_EQ(info->prefix, std::string(id) + "/");
    ASSERT_EQ(info->renditions.size(), 1u);
    EXPECT_EQ(info->renditions[0].name, "360p");
    EXPECT_EQ(info->renditions[0].segments, 3);
    EXPECT_EQ(info->renditions[0].codecs, "avc1.64001e,mp4a.40.2");
}

TEST(playback_answers, a_prefix_may_lack_its_slash_or_name_a_generation) {
    EXPECT_EQ(parse_playback_answer(answer(id, one()), id)->prefix, std::string(id) + "/");
    EXPECT_TRUE(parse_playback_answer(answer(std::string(id) + "/g12/", one()), id));
}

TEST(playback_answers, what_is_not_playable_needs_no_facts) {
    const auto info = parse_playback_answer(
        R"({"video_id":"x","playable":false,"public":true,"prefix":"","renditions":[{"name":"360p","width":0,"height":0,"bandwidth":0}]})",
        id);
    ASSERT_TRUE(info);
    EXPECT_FALSE(info->playable);
    EXPECT_TRUE(info->renditions.empty());
}

TEST(playback_answers, that_reach_beyond_the_video_are_not_believed) {
    const auto with = [](const std::string& before, const std::string& after) {
        auto text = one();
        text.replace(text.find(before), before.size(), after);
        return answer(std::string(id) + "/", text);
    };
    const std::string own = std::string(id) + "/";
    const std::string table[] = {
        "",
        "[]",
        "{}",
        "null",
        R"({"video_id":)",
        answer("", one()),
        answer("other/", one()),
        answer(own + "../other/", one()),
        answer(std::string(id) + "x/", one()),
        answer(own + "g/", one()),
        answer(own + "g1/x/", one()),
        answer(own, one(), "another"),
        answer(own, "[]"),
        answer(own, "{}"),
        answer(own, "7"),
        answer(own, "[1]"),
        with("360p", "../360p"),
        with("360p", "360p\\n#EXT"),
        with("mp4a.40.2", "mp4a\\\"\\nevil"),
        with("640", "\"640\""),
        with("640", "0"),
        with("800000", "0"),
        with("800000", "-5"),
        with("800000", "\"x\""),
        with("29.97", "1e9"),
        with("29.97", "null"),
        R"({"video_id":"x","playable":1})",
    };
    for (const auto& body : table) {
        const auto info = parse_playback_answer(body, id);
        EXPECT_FALSE(info) << body;
        if (!info) {
            EXPECT_EQ(info.error().reason, "bad_playback_answer");
        }
    }
}

}  // namespace
}  // namespace vora::gateway
