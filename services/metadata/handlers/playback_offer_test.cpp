#include "services/metadata/handlers/playback_offer.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace vora::metadata {
namespace {

const timestamp now = from_unix_ms(1'800'000'000'750);
const auth::grant_keys keys = auth::grant_keys::for_tests();
const url_bases plain{"http://up", "http://play:8080", "http://api"};

video ready_video() {
    video v;
    v.id = video_id{"6d4d9c5e-4c0f-4a86-9f0c-3f3f3b7a2f10"};
    v.state = video_state::ready;
    v.playable_at = now;
    return v;
}

std::string grant_in(const std::string& url) {
    const auto start = url.find("/play/") + 6;
    return url.substr(start, url.find('/', start) - start);
}

TEST(playback_offer, carries_the_cap_and_the_end_inside_the_signature) {
    const auto v = ready_video();
    const auto offer = offer_playback(v, {std::chrono::seconds(600), 720}, plain, keys, now);
    ASSERT_TRUE(offer);
    const auto grant =
        auth::verify_playback_grant(keys, grant_in(offer->manifest_url), v.id.value, now);
    ASSERT_TRUE(grant);
    EXPECT_EQ(grant->max_height, 720);
    EXPECT_EQ(grant->expires, from_unix_ms(1'800'000'600'000)) << "whole seconds";
    EXPECT_EQ(offer->expires, grant->expires);
    EXPECT_EQ(offer_playback(v, {}, plain, keys, now)->manifest_url,
              offer_playback(v, {}, plain, keys, now)->manifest_url)
        << "the same question, the same address: caches keep working";
}

TEST(playback_offer, every_address_carries_the_same_grant) {
    const auto v = ready_video();
    const auto offer = offer_playback(v, {}, plain, keys, now);
    ASSERT_TRUE(offer);
    const auto grant = grant_in(offer->manifest_url);
    const auto base = "http://play:8080/play/" + grant + "/" + v.id.value;
    EXPECT_EQ(offer->manifest_url, base + "/master.m3u8");
    EXPECT_EQ(offer->poster_url, base + "/thumbnail.jpg");
    EXPECT_EQ(offer->embed_url, "http://api/embed/" + v.id.value + "#grant=" + grant);
    EXPECT_EQ(offer->cookie, "vora_play=" + grant + "; Path=/play/cookie/" + v.id.value +
                                 "/; Max-Age=86400; Expires=" + to_http_date(offer->expires) +
                                 "; HttpOnly; SameSite=Lax");
    const auto json = nlohmann::json::parse(render_playback(*offer));
    for (const auto* name : {"manifest_url", "poster_url", "embed_url", "expires_at", "cookie"}) {
        EXPECT_TRUE(json.at(name).is_string()) << name;
    }
    EXPECT_EQ(json.size(), 5u);
}

TEST(playback_offer, the_cookie_is_for_https_alone_where_playback_is_https_and_keeps_its_path) {
    const url_bases secure{"", "https://media.example/vora", ""};
    const auto v = ready_video();
    const auto cookie = offer_playback(v, {}, secure, keys, now)->cookie;
    EXPECT_TRUE(cookie.starts_with("__Secure-vora_play=")) << cookie;
    EXPECT_TRUE(cookie.ends_with("; HttpOnly; SameSite=Lax; Secure")) << cookie;
    EXPECT_NE(cookie.find("; Path=/vora/play/cookie/" + v.id.value + "/;"), cookie.npos) << cookie;
}

TEST(playback_offer, is_made_for_what_can_be_played_only) {
    auto v = ready_video();
    v.playable_at.reset();
    v.state = video_state::processing;
    const auto none = offer_playback(v, {}, plain, keys, now);
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, errc::failed_precondition);
    EXPECT_EQ(none.error().reason, "not_playable");
    EXPECT_EQ(none.error().detail, "the video is PROCESSING");
}

}  // namespace
}  // namespace vora::metadata
