#include "services/dashboard/core/site.hpp"

#include <gtest/gtest.h>

namespace vora::dashboard {
namespace {

constexpr page_file files[] = {
    {"/index.html", "text/html; charset=utf-8", "<meta content=\"%PLAY_BASE%\">", {}},
    {"/embed.html", "text/html; charset=utf-8", "<p content=\"%PLAY_BASE%\">", {}},
    {"/assets/app-1.js", "text/javascript", "let a;", "packed"},
};

std::string index_of(const page_origins& origins) {
    const auto made = site::make(files, origins);
    return made ? std::string(made->index().identity) : made.error().reason;
}

TEST(site, files_are_found_by_their_path_and_nothing_else_is) {
    const auto made = site::make(files, {});
    ASSERT_TRUE(made.has_value());
    ASSERT_NE(made->asset("/assets/app-1.js"), nullptr);
    EXPECT_EQ(made->asset("/assets/app-1.js")->identity, "let a;");
    EXPECT_EQ(made->asset("/assets/app-2.js"), nullptr);
    EXPECT_EQ(made->asset("/index.html"), nullptr);
}

TEST(site, each_form_of_a_file_has_its_own_entity_tag) {
    const auto made = site::make(files, {});
    ASSERT_TRUE(made.has_value());
    const auto* f = made->asset("/assets/app-1.js");
    EXPECT_NE(f->etag, f->gzip_etag);
    EXPECT_TRUE(f->etag.starts_with('"') && f->etag.ends_with('"'));
}

TEST(site, the_page_learns_where_playback_is_and_its_tag_follows) {
    EXPECT_EQ(index_of({}), "<meta content=\"\">");
    EXPECT_EQ(index_of({"", "", "https://play.example"}),
              "<meta content=\"https://play.example\">");
    const auto here = site::make(files, {});
    const auto there = site::make(files, {"", "", "https://play.example"});
    EXPECT_NE(here->index().etag, there->index().etag);
}

TEST(site, a_base_url_cannot_break_out_of_its_attribute) {
    EXPECT_EQ(index_of({"", "", "https://h/\"><script>"}),
              "<meta content=\"https://h/&quot;&gt;&lt;script&gt;\">");
}

TEST(site, the_policy_allows_the_own_origin_only_unless_others_are_configured) {
    const auto made = site::make(files, {});
    ASSERT_TRUE(made.has_value());
    const auto& policy = made->policy();
    EXPECT_NE(policy.find("script-src 'self';"), policy.npos);
    EXPECT_EQ(policy.find("unsafe"), policy.npos);
    EXPECT_TRUE(policy.ends_with("connect-src 'self'")) << policy;
    EXPECT_EQ(policy.find("http"), policy.npos);
}

TEST(site, configured_origins_are_named_once_where_they_are_needed) {
    const auto made = site::make(
        files, {"https://api.example/", "https://up.example:8443/x", "https://api.example"});
    ASSERT_TRUE(made.has_value());
    const auto& policy = made->policy();
    EXPECT_TRUE(policy.ends_with("connect-src 'self' https://api.example https://up.example:8443"))
        << policy;
    EXPECT_NE(policy.find("img-src 'self' blob: data: https://api.example;"), policy.npos);
    EXPECT_NE(policy.find("media-src 'self' blob: https://api.example;"), policy.npos);
}

TEST(site, the_embed_page_may_be_framed_by_anyone_and_reaches_playback_only) {
    const auto made =
        site::make(files, {"https://api.example", "https://up.example", "https://play.example"});
    ASSERT_TRUE(made.has_value());
    EXPECT_EQ(made->embed().identity, "<p content=\"https://play.example\">");
    const auto& policy = made->embed_policy();
    EXPECT_NE(policy.find("frame-ancestors *;"), policy.npos) << policy;
    EXPECT_NE(policy.find("form-action 'none'"), policy.npos);
    EXPECT_TRUE(policy.ends_with("connect-src 'self' https://play.example")) << policy;
    EXPECT_NE(made->policy().find("frame-ancestors 'none';"), policy.npos);
}

TEST(site, what_is_no_url_is_refused_at_the_start) {
    for (const auto* bad : {"play.example", "ftp://h", "https://", "https://a b", "https://h;x",
                            "javascript://h", "https://'self'"}) {
        EXPECT_EQ(index_of({"", "", bad}), "bad_public_url") << bad;
    }
    EXPECT_EQ(origin_of("http://[::1]:80/x").value_or(""), "http://[::1]:80");
}

TEST(site, a_build_without_its_page_is_refused) {
    EXPECT_EQ(site::make({}, {}).error().reason, "no_page");
    EXPECT_EQ(site::make(std::span(files).first(1), {}).error().reason, "no_page");
}

}  // namespace
}  // namespace vora::dashboard
