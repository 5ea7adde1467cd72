#include "services/metadata/handlers/input.hpp"

#include "services/metadata/handlers/strict_json.hpp"

#include <gtest/gtest.h>

namespace vora::metadata {
namespace {

TEST(strict_json, takes_one_object_and_nothing_else) {
    for (const auto* good : {"{}", " {\"a\": [1, {\"b\": null}]} ", R"({"a":"\u0041"})"}) {
        EXPECT_TRUE(parse_object(good)) << good;
    }
    const std::vector<std::string> bad{
        "",
        " ",
        "null",
        "[]",
        "7",
        "\"x\"",
        "{",
        "{}{}",
        "{} x",
        "{\"a\":1,}",
        "{'a':1}",
        "{\"a\":1,\"a\":2}",
        "{\"a\":{\"b\":1,\"b\":2}}",
        "{\"a\":NaN}",
        "{\"a\":01}",
        "{\"a\":\"\xFF\"}",
        "{\"a\":\"\\ud800\"}",
        "// comment\n{}",
        "\xEF\xBB\xBFx",
        "{\"a\":" + std::string(100'000, '[') + std::string(100'000, ']') + "}",
        std::string(100'000, '{'),
        "{\"a\":\"\n\"}"};
    for (const auto& text : bad) {
        EXPECT_FALSE(parse_object(text)) << text.substr(0, 60);
    }
}

TEST(strict_json, any_cut_or_changed_byte_is_survived) {
    const std::string whole =
        R"({"title":"\u00e9\ud83d\ude00","description":"a\nb","visibility":"public","n":[1.5e3,true]})";
    for (std::size_t i = 0; i < whole.size(); ++i) {
        EXPECT_FALSE(parse_object(whole.substr(0, i)));
        for (const char c : {'\0', '"', '\\', '{', '}', '\xFF', '\x80'}) {
            auto changed = whole;
            changed[i] = c;
            (void)parse_create(changed);
            (void)parse_patch(changed);
            (void)parse_hook(changed);
        }
    }
}

TEST(parse_create, takes_the_three_fields) {
    const auto v = parse_create(R"({"title":"a","description":"b\nc","visibility":"public"})");
    ASSERT_TRUE(v);
    EXPECT_EQ(v->title, "a");
    EXPECT_EQ(v->description, "b\nc");
    EXPECT_EQ(v->visible, visibility::everyone);
    EXPECT_EQ(parse_create(R"({"title":"a"})")->visible, visibility::only_owner);
}

TEST(parse_create, names_every_field_that_is_wrong) {
    const auto r = parse_create(
        R"({"title":"","description":5,"visibility":"secret","state":"READY","a/b~":1})");
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code, "invalid_fields");
    std::map<std::string, std::string> found;
    for (const auto& e : r.error().errors) {
        found[e.pointer] = e.code;
    }
    EXPECT_EQ(found, (std::map<std::string, std::string>{{"/title", "too_short"},
                                                         {"/description", "wrong_type"},
                                                         {"/visibility", "unknown_value"},
                                                         {"/state", "unknown_field"},
                                                         {"/a~1b~0", "unknown_field"}}));
}

TEST(parse_create, needs_a_title) {
    EXPECT_EQ(parse_create("{}").error().errors.at(0).code, "required");
    EXPECT_EQ(parse_create(R"({"title":null})").error().errors.at(0).code, "wrong_type");
}

TEST(parse_create, answers_with_a_bounded_number_of_errors) {
    std::string many = R"({"title":"a")";
    for (int i = 0; i < 1'000; ++i) {
        many += ",\"f" + std::to_string(i) + "\":1";
    }
    EXPECT_LE(parse_create(many + "}").error().errors.size(), 20u);
}

TEST(parse_patch, takes_any_of_the_fields_and_none_of_the_others) {
    EXPECT_FALSE(parse_patch("{}")->title);
    EXPECT_EQ(parse_patch(R"({"description":""})")->description, "");
    for (const auto* bad :
         {R"({"title":""})", R"({"title":null})", R"({"visibility":1})", R"({"version":7})",
          R"({"owner":"bert"})", R"({"generation":7})", R"({"manifest_url":"x"})"}) {
        EXPECT_FALSE(parse_patch(bad)) << bad;
    }
}

TEST(parse_playback, wants_a_whole_number_of_seconds_within_bounds) {
    EXPECT_EQ(parse_playback("")->ttl.count(), 86'400);
    EXPECT_EQ(parse_playback("{}")->ttl.count(), 86'400);
    EXPECT_EQ(parse_playback("{}")->max_height, 0);
    EXPECT_EQ(parse_playback(R"({"ttl_s":1})")->ttl.count(), 1);
    EXPECT_EQ(parse_playback(R"({"ttl_s":2592000})")->ttl.count(), 2'592'000);
    EXPECT_EQ(parse_playback(R"({"max_height":720})")->max_height, 720);
    for (const auto* thousand : {"1000", "1000.0", "1e3"}) {  // one number in JSON Schema
        EXPECT_EQ(parse_playback(std::string("{\"ttl_s\":") + thousand + "}")->ttl.count(), 1'000);
    }
    for (const auto* bad :
         {"0", "-5", "2592001", "1.5", "0.0", "1e300", "-1e300", "\"60\"", "null", "true",
          "18446744073709551615", "9223372036854775808", "-9223372036854775808", "1e400"}) {
        EXPECT_FALSE(parse_playback(std::string("{\"ttl_s\":") + bad + "}")) << bad;
    }
    for (const auto* bad : {"0", "-1", "100001", "720.5", "\"720\"", "null", "[]"}) {
        EXPECT_FALSE(parse_playback(std::string("{\"max_height\":") + bad + "}")) << bad;
    }
    EXPECT_FALSE(parse_playback(R"({"max_height":720,"min_height":1})"));
    EXPECT_FALSE(parse_playback("[]"));
}

TEST(parse_hook, takes_what_is_in_the_contract_and_ignores_what_may_be_added) {
    const auto e = parse_hook(
        R"({"type":"expired","upload_id":"u","reference":"v.x","size_bytes":5,"new":{}})");
    ASSERT_TRUE(e);
    EXPECT_EQ(e->status, upload_status::expired);
    for (const auto* bad : {"{}", R"({"type":"surplus","upload_id":"u","reference":"r"})",
                            R"({"type":"open","upload_id":"u","reference":"r"})",
                            R"({"type":"finished","upload_id":5,"reference":"r"})",
                            R"({"type":"finished","upload_id":"u"})"}) {
        EXPECT_FALSE(parse_hook(bad)) << bad;
    }
}

TEST(parse_if_match, finds_the_versions_of_strong_tags) {
    using versions = std::vector<std::int64_t>;
    EXPECT_FALSE(parse_if_match("*"));
    EXPECT_EQ(parse_if_match("\"3\""), versions{3});
    EXPECT_EQ(parse_if_match(" \"3\" , \"5\""), (versions{3, 5}));
    for (const auto* none :
         {"", "3", "W/\"3\"", "\"\"", "\"x\"", "\"-3\"", "\"3", ",,,", "\"+3\""}) {
        EXPECT_EQ(parse_if_match(none), versions{}) << none;
    }
}

TEST(parse_filter, knows_its_bounds) {
    const auto with = [](std::string name, std::string value) {
        net::request r;
        r.query = {{std::move(name), std::move(value)}};
        return parse_filter(r);
    };
    EXPECT_EQ(parse_filter(net::request{})->page_size, 50u);
    EXPECT_EQ(with("page_size", "200")->page_size, 200u);
    EXPECT_EQ(with("page_size", "100000")->page_size, 200u);
    EXPECT_EQ(with("state", "READY")->state, video_state::ready);
    for (const auto* bad : {"0", "-1", "x", "", "1.5", "99999999999999999999"}) {
        EXPECT_FALSE(with("page_size", bad)) << bad;
    }
    EXPECT_FALSE(with("state", "ready"));
    EXPECT_FALSE(with("state", ""));
}

}  // namespace
}  // namespace vora::metadata
