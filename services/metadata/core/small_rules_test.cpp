// Texts, page tokens and the breaker.

#include "libs/base/crypto.hpp"
#include "libs/base/encoding.hpp"
#include "services/metadata/core/breaker.hpp"
#include "services/metadata/core/page_token.hpp"
#include "services/metadata/core/text_rules.hpp"

#include <gtest/gtest.h>

#include <string>

namespace vora::metadata {
namespace {

std::string repeat(const std::string& text, int times) {
    std::string out;
    for (int i = 0; i < times; ++i) {
        out += text;
    }
    return out;
}

TEST(text_rules, a_title_has_1_to_200_characters_however_many_bytes) {
    EXPECT_FALSE(check_title("x"));
    EXPECT_FALSE(check_title(repeat("\xE9\x9B\xAA", 200)));
    EXPECT_EQ(check_title(repeat("\xE9\x9B\xAA", 201))->code, "too_long");
    EXPECT_EQ(check_title("")->code, "too_short");
}

TEST(text_rules, control_characters_are_refused_in_every_form) {
    using namespace std::string_literals;
    for (const auto& bad : {"\n"s, "a\tb"s, "\0"s, "\x7F"s, "\x1B[0m"s, "\xC2\x85"s, "\xFF"s,
                            "\xC0\x80"s, "\xED\xA0\x80"s}) {
        ASSERT_TRUE(check_title(bad));
        EXPECT_EQ(check_title(bad)->code, "bad_characters");
    }
    EXPECT_FALSE(check_title("\xC2\xA0")) << "a no-break space is none";
}

TEST(text_rules, a_description_may_have_lines_and_be_empty) {
    EXPECT_FALSE(check_description(""));
    EXPECT_FALSE(check_description("a\r\n\tb"));
    EXPECT_TRUE(check_description("a\vb"));
    EXPECT_FALSE(check_description(repeat("x", 5000)));
    EXPECT_TRUE(check_description(repeat("x", 5001)));
}

TEST(text_rules, an_upload_id_that_could_leave_its_path_segment_is_none) {
    EXPECT_TRUE(is_plausible_upload_id("0a-_Z"));
    for (const auto* bad : {"", "a/b", "..", "a%2fb", "a b", "a?b", "\xC3\xA9"}) {
        EXPECT_FALSE(is_plausible_upload_id(bad)) << bad;
    }
    EXPECT_FALSE(is_plausible_upload_id(std::string(129, 'a')));
}

TEST(text_rules, a_foreign_text_is_cut_between_characters) {
    EXPECT_EQ(to_display_text("ab\xE9\x9B\xAA", 4), "ab");
    EXPECT_EQ(to_display_text("a\nb", 10), "a b");
    EXPECT_EQ(to_display_text("\xFF", 10), "");
}

list_position some_position() {
    return {from_unix_ms(1'790'000'000'123), video_id{random_uuid()}};
}

TEST(page_token, comes_back_as_it_was) {
    const list_query filter{"anna", video_state::ready, std::nullopt, 50};
    const auto last = some_position();
    const auto back = decode_page_token(filter, encode_page_token(filter, last));
    ASSERT_TRUE(back);
    EXPECT_EQ(back->created_at, last.created_at);
    EXPECT_EQ(back->id, last.id);
}

TEST(page_token, belongs_to_one_filter) {
    const list_query filter{"anna", std::nullopt, std::nullopt, 50};
    const auto token = encode_page_token(filter, some_position());
    for (const auto& other : {list_query{"bert", std::nullopt, std::nullopt, 50},
                              list_query{std::nullopt, std::nullopt, std::nullopt, 50},
                              list_query{"anna", video_state::ready, std::nullopt, 50}}) {
        const auto r = decode_page_token(other, token);
        ASSERT_FALSE(r);
        EXPECT_EQ(r.error().reason, "bad_page_token");
    }
}

TEST(page_token, nonsense_is_refused) {
    const list_query filter;
    const auto good = encode_page_token(filter, some_position());
    for (const auto& bad :
         {std::string("nonsense"), std::string("%%%"), base64url_encode("1."),
          base64url_encode("1.5.x.y"), base64url_encode("2" + std::string(60, '.')),
          good.substr(0, good.size() - 4), good + "AAAA", std::string(1000, 'A'),
          base64url_encode("1.-5." + random_uuid() + ".0")}) {
        EXPECT_FALSE(decode_page_token(filter, bad)) << bad;
    }
}

TEST(breaker, opens_after_failures_in_a_row_and_probes_with_one_call) {
    breaker b({3, 100ms, 1'000ms});
    auto now = from_unix_ms(1'000'000);
    EXPECT_EQ(b.allowance(now, 16), 16u);
    for (int i = 0; i < 3; ++i) {
        EXPECT_FALSE(b.is_open());
        now += 100ms;
        b.failed(now, 0);
    }
    EXPECT_TRUE(b.is_open());
    EXPECT_EQ(b.allowance(now, 16), 0u);
    now += b.wait(now);
    EXPECT_EQ(b.allowance(now, 16), 1u);
    b.succeeded();
    EXPECT_EQ(b.allowance(now, 16), 16u);
}

TEST(breaker, pauses_grow_to_their_limit_and_no_further) {
    breaker b({1, 100ms, 1'000ms});
    auto now = from_unix_ms(1'000'000);
    auto last = 0ms;
    for (int i = 0; i < 10; ++i) {
        b.failed(now, 0);
        EXPECT_GE(b.wait(now), last);
        last = b.wait(now);
        now += last;
    }
    EXPECT_EQ(last, 1'000ms);
    b.failed(now, 0.999);
    EXPECT_GE(b.wait(now), 750ms) << "jitter takes a quarter at most";
}

TEST(breaker, a_clock_set_back_does_not_prolong_the_pause) {
    breaker b({1, 100ms, 1'000ms});
    const auto now = from_unix_ms(10'000'000);
    b.failed(now, 0);
    EXPECT_EQ(b.wait(now - 1h), 0ms);
}

}  // namespace
}  // namespace vora::metadata
