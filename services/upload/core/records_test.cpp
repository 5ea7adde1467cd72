#include "services/upload/core/records.hpp"

#include <gtest/gtest.h>

namespace vora::upload {
namespace {

const upload_id id{"0123456789abcdef0123456789abcdef"};

upload_info sample() {
    return {.id = id,
            .state = upload_state::finished,
            .owner = "ann",
            .reference = "r\"1\n",
            .length = 1234,
            .part_bytes = 8 << 20,
            .object_name = "original.bin",
            .metadata = "name YQ==",
            .multipart_id = "m",
            .created = from_unix_ms(1'000),
            .expires = from_unix_ms(86'400'000),
            .ended = from_unix_ms(5'500)};
}

TEST(records, an_info_reads_back_as_it_was_written) {
    const auto info = sample();
    auto back = read_info(write_info(info), id);
    ASSERT_TRUE(back.has_value()) << back.error().detail;
    EXPECT_EQ(back->state, info.state);
    EXPECT_EQ(back->owner, info.owner);
    EXPECT_EQ(back->reference, info.reference);
    EXPECT_EQ(back->length, info.length);
    EXPECT_EQ(back->object_name, info.object_name);
    EXPECT_EQ(back->metadata, info.metadata);
    EXPECT_EQ(back->multipart_id, info.multipart_id);
    EXPECT_EQ(back->created, info.created);
    EXPECT_EQ(back->expires, info.expires);
    EXPECT_EQ(back->ended, info.ended);
}

TEST(records, every_cut_of_an_info_is_damage) {
    const auto text = write_info(sample());
    for (std::size_t n = 0; n < text.size(); ++n) {
        auto r = read_info(text.substr(0, n), id);
        ASSERT_FALSE(r.has_value()) << n;
        EXPECT_EQ(r.error().code, errc::data_loss);
    }
}

TEST(records, an_info_that_contradicts_itself_is_damage) {
    EXPECT_FALSE(read_info(write_info(sample()), upload_id{std::string(32, 'f')}).has_value());
    auto info = sample();
    info.part_bytes = 9 << 20;
    EXPECT_FALSE(read_info(write_info(info), id).has_value());
    info = sample();
    info.object_name = "../x";
    EXPECT_FALSE(read_info(write_info(info), id).has_value());
    auto text = write_info(sample());
    text.replace(text.find("1234"), 4, "-234");
    EXPECT_FALSE(read_info(text, id).has_value());
    EXPECT_FALSE(read_info("[]", id).has_value());
    EXPECT_FALSE(read_info("null", id).has_value());
}

TEST(records, a_marker_reads_back_and_its_damage_shows) {
    const hook_marker marker{upload_state::expired, from_unix_ms(7'000)};
    auto back = read_marker(write_marker(marker));
    ASSERT_TRUE(back.has_value());
    EXPECT_EQ(back->type, marker.type);
    EXPECT_EQ(back->since, marker.since);
    EXPECT_FALSE(read_marker("{}").has_value());
    EXPECT_FALSE(read_marker(write_marker({upload_state::open, {}})).has_value());
}

TEST(upload, ids_are_32_hex_digits_and_nothing_else) {
    EXPECT_TRUE(is_upload_id(make_upload_id().value));
    EXPECT_NE(make_upload_id(), make_upload_id());
    for (const auto* bad :
         {"", "..", ".info", "0123456789ABCDEF0123456789ABCDEF", "0123456789abcdef0123456789abcde",
          "0123456789abcdef0123456789abcdef0", "0123456789abcdef/123456789abcdef"}) {
        EXPECT_FALSE(is_upload_id(bad)) << bad;
    }
}

TEST(upload, only_owner_and_reference_together_open_an_upload_to_a_grant) {
    const auto info = sample();
    access a{.subject = "ann",
             .reference = "r\"1\n",
             .by_grant = true,
             .admin = false,
             .length_max = {}};
    EXPECT_TRUE(may_see(a, info));
    a.reference = "other";
    EXPECT_FALSE(may_see(a, info));
    a.by_grant = false;
    EXPECT_TRUE(may_see(a, info)) << "a token has no reference";
    a.subject = "bob";
    EXPECT_FALSE(may_see(a, info));
    a.admin = true;
    EXPECT_TRUE(may_see(a, info));
}

}  // namespace
}  // namespace vora::upload
