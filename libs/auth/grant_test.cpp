#include "libs/auth/grant.hpp"

#include "libs/base/crypto.hpp"
#include "libs/base/encoding.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace vora::auth {
namespace {

namespace fs = std::filesystem;

const timestamp now{seconds(1'800'000'000)};
const auto keys = grant_keys::for_tests();
constexpr auto video = "6d4d9c5e-4c0f-4a86-9f0c-3f3f3b7a2f10";

template <class T>
std::string reason(const result<T>& r) {
    return r ? "" : r.error().reason;
}

class grant_files : public testing::Test {
 protected:
    void SetUp() override {
        dir_ = fs::temp_directory_path() / ("vora-grant-" + random_hex(8));
        fs::create_directories(dir_);
    }
    void TearDown() override { fs::remove_all(dir_); }
    std::string path() const { return dir_ / "grant.keys"; }
    void write(const std::string& text, mode_t mode = 0600) const {
        std::ofstream(path()) << text;
        ::chmod(path().c_str(), mode);
    }
    fs::path dir_;
};

TEST_F(grant_files, keys_are_made_once_and_read_back) {
    const auto first = grant_keys::load_or_create(path());
    ASSERT_TRUE(first) << first.error().detail;
    const auto second = grant_keys::load_or_create(path());
    ASSERT_TRUE(second);
    const auto text = sign(*first, playback_grant{video, now + 1h, 0});
    EXPECT_TRUE(verify_playback_grant(*second, text, video, now));
    EXPECT_FALSE(verify_playback_grant(keys, text, video, now));
}

TEST_F(grant_files, the_file_belongs_to_its_owner_and_no_part_is_left) {
    ASSERT_TRUE(grant_keys::load_or_create(path()));
    struct stat facts{};
    ASSERT_EQ(::stat(path().c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 0777, 0600u);
    EXPECT_EQ(std::distance(fs::directory_iterator(dir_), fs::directory_iterator()), 1);
}

TEST_F(grant_files, a_file_others_can_read_is_refused) {
    ASSERT_TRUE(grant_keys::load_or_create(path()));
    ::chmod(path().c_str(), 0644);
    EXPECT_EQ(reason(grant_keys::load_or_create(path())), "key_file_open_to_others");
}

TEST_F(grant_files, a_damaged_file_is_an_error_and_stays_as_it_is) {
    const std::string key(64, 'a');
    const std::string table[] = {
        "",
        "{}",
        "not json",
        R"({"signing":"k2","keys":{"k1":")" + key + "\"}}",
        R"({"signing":"k1","keys":{"k1":"short"}})",
        R"({"signing":"k1","keys":{"k1":")" + key + R"(","k1":")" + key + "\"}}",
        R"({"signing":"k.1","keys":{"k.1":")" + key + "\"}}",
        R"({"signing":1,"keys":{"k1":")" + key + "\"}}",
    };
    for (const auto& text : table) {
        write(text);
        EXPECT_EQ(reason(grant_keys::load_or_create(path())), "key_file_damaged") << text;
        std::ifstream in(path());
        EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), text);
    }
}

TEST_F(grant_files, after_rotation_the_old_key_still_verifies) {
    const std::string a(64, 'a');
    const std::string b(64, 'b');
    write(R"({"signing":"k1","keys":{"k1":")" + a + "\"}}");
    const auto before = grant_keys::load_or_create(path());
    const auto text = sign(*before, playback_grant{video, now + 1h, 0});
    write(R"({"signing":"k2","keys":{"k1":")" + a + R"(","k2":")" + b + "\"}}");
    const auto after = grant_keys::load_or_create(path());
    EXPECT_TRUE(verify_playback_grant(*after, text, video, now));
    EXPECT_TRUE(sign(*after, playback_grant{video, now + 1h, 0}).starts_with("k2."));
    write(R"({"signing":"k2","keys":{"k2":")" + b + "\"}}");
    const auto removed = grant_keys::load_or_create(path());
    EXPECT_EQ(reason(verify_playback_grant(*removed, text, video, now)), "grant_unknown_key");
}

TEST(playback_grants, have_the_form_that_a_cache_can_check) {
    const auto text = sign(keys, playback_grant{video, now + 1h, 720});
    const std::string signed_text = std::string("vora1|play|k1|1800003600|720|") + video;
    EXPECT_EQ(text,
              "k1.1800003600.720." + hex_encode(hmac_sha256(std::string(64, 'a'), signed_text)));
    EXPECT_EQ(text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                     "0123456789_.-"),
              std::string::npos);
}

TEST(playback_grants, read_back_what_was_signed) {
    const auto g =
        verify_playback_grant(keys, sign(keys, playback_grant{video, now + 90s, 360}), video, now);
    ASSERT_TRUE(g);
    EXPECT_EQ(g->video_id, video);
    EXPECT_EQ(g->expires, now + 90s);
    EXPECT_EQ(g->max_height, 360);
}

TEST(playback_grants, the_same_inputs_give_the_same_text) {
    const playback_grant g{video, now + 1h, 0};
    EXPECT_EQ(sign(keys, g), sign(keys, g));
}

TEST(playback_grants, end_with_their_second) {
    const auto text = sign(keys, playback_grant{video, now + 10s, 0});
    EXPECT_TRUE(verify_playback_grant(keys, text, video, now + 10s - 1ms));
    EXPECT_EQ(reason(verify_playback_grant(keys, text, video, now + 10s)), "grant_expired");
}

TEST(playback_grants, refuse_every_change) {
    const auto good = sign(keys, playback_grant{video, now + 1h, 360});
    const auto mac = good.substr(good.rfind('.') + 1);
    const auto with = [&](const std::string& head) { return head + "." + mac; };
    struct refusal {
        std::string text;
        const char* expected;
    };
    std::string upper = mac;
    for (char& c : upper) {
        c = static_cast<char>(std::toupper(c));
    }
    const refusal table[] = {
        {"", "grant_malformed"},
        {"public", "grant_malformed"},
        {"...", "grant_malformed"},
        {good + ".x", "grant_malformed"},
        {good.substr(0, good.rfind('.')), "grant_malformed"},
        {with("k1.1800007200.360"), "grant_bad_signature"},
        {with("k1.1800003600.0"), "grant_bad_signature"},
        {with("k1.1800003600.1080"), "grant_bad_signature"},
        {with("k0.1800003600.360"), "grant_bad_signature"},
        {with("k9.1800003600.360"), "grant_unknown_key"},
        {with("../k1.1800003600.360"), "grant_malformed"},
        {with("k1.01800003600.360"), "grant_malformed"},
        {with("k1.1800003600.0360"), "grant_malformed"},
        {with("k1.+1800003600.360"), "grant_malformed"},
        {with("k1.1800003600.-1"), "grant_malformed"},
        {with("k1.1800003600.3e2"), "grant_malformed"},
        {with("k1.99999999999999999999.360"), "grant_malformed"},
        {with("k1.9007199254740991.360"), "grant_malformed"},
        {with("k1.1800003600."), "grant_malformed"},
        {with(".1800003600.360"), "grant_malformed"},
        {"k1.1800003600.360." + mac.substr(0, 63), "grant_bad_signature"},
        {"k1.1800003600.360." + mac + "0", "grant_bad_signature"},
        {"k1.1800003600.360." + upper, "grant_bad_signature"},
        {"k1.1800003600.360.", "grant_bad_signature"},
        {" " + good, "grant_malformed"},
        {good + std::string(1, '\0'), "grant_bad_signature"},
        {std::string(10'000, 'a'), "grant_malformed"},
    };
    for (const auto& row : table) {
        EXPECT_EQ(reason(verify_playback_grant(keys, row.text, video, now)), row.expected)
            << row.text;
    }
    EXPECT_EQ(reason(verify_playback_grant(keys, good, "another-video", now)),
              "grant_bad_signature");
}

TEST(upload_grants, read_back_what_was_signed) {
    const upload_grant g{"v." + std::string(video), "alice \"a\" |.\xc3\xa9", 12345, now + 24h};
    const auto read = verify_upload_grant(keys, sign(keys, g), now);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->reference, g.reference);
    EXPECT_EQ(read->subject, g.subject);
    EXPECT_EQ(read->length_max, g.length_max);
    EXPECT_EQ(read->expires, g.expires);
}

TEST(upload_grants, a_missing_limit_stays_missing) {
    const auto read =
        verify_upload_grant(keys, sign(keys, upload_grant{"r", "s", {}, now + 1h}), now);
    ASSERT_TRUE(read);
    EXPECT_FALSE(read->length_max);
}

TEST(upload_grants, survive_in_urls_and_headers_as_they_are) {
    const auto text = sign(keys, upload_grant{"r?&/ %", "s", 1, now + 1h});
    EXPECT_EQ(percent_encode(text), text);
}

TEST(upload_grants, end_with_their_expiry) {
    const auto text = sign(keys, upload_grant{"r", "s", {}, now + 10s});
    EXPECT_TRUE(verify_upload_grant(keys, text, now + 10s - 1ms));
    EXPECT_EQ(reason(verify_upload_grant(keys, text, now + 10s)), "grant_expired");
}

TEST(upload_grants, refuse_every_change) {
    const auto good = sign(keys, upload_grant{"r", "s", {}, now + 1h});
    const auto mac = good.substr(good.rfind('.') + 1);
    const auto other = base64url_encode(R"({"e":1900000000000,"r":"x","s":"s"})");
    const std::pair<std::string, const char*> table[] = {
        {"vg1.k1." + other + "." + mac, "grant_bad_signature"},
        {"vg2" + good.substr(3), "grant_malformed"},
        {good.substr(4), "grant_malformed"},
        {"vg1.k0" + good.substr(6), "grant_bad_signature"},
        {"vg1.k7" + good.substr(6), "grant_unknown_key"},
        {good.substr(0, good.size() - 1), "grant_bad_signature"},
        {good + "=", "grant_bad_signature"},
        {"", "grant_malformed"},
    };
    for (const auto& [text, expected] : table) {
        EXPECT_EQ(reason(verify_upload_grant(keys, text, now)), expected) << text;
    }
}

TEST(upload_grants, a_signed_payload_of_another_form_is_refused) {
    for (const std::string payload :
         {R"({"r":"r","s":"s"})", R"({"r":"r","s":"s","e":"1"})", R"({"r":"r","s":"s","e":1e99})",
          R"({"r":1,"s":"s","e":1})", R"({"r":"r","s":"s","e":-1})",
          R"({"r":"r","r":"q","s":"s","e":1900000000000})",
          R"({"r":"r","s":"s","e":1900000000000,"m":-5})", "[]", "x"}) {
        const auto encoded = base64url_encode(payload);
        const auto mac =
            hex_encode(hmac_sha256(std::string(64, 'a'), "vora1|upload|k1|" + encoded));
        EXPECT_EQ(reason(verify_upload_grant(keys, "vg1.k1." + encoded + "." + mac, now)),
                  "grant_malformed")
            << payload;
    }
}

TEST(upload_grants, never_pass_as_playback_grants_or_the_other_way_round) {
    const auto upload = sign(keys, upload_grant{"r", "s", {}, now + 1h});
    EXPECT_FALSE(verify_playback_grant(keys, upload, video, now));
    EXPECT_FALSE(verify_upload_grant(keys, sign(keys, playback_grant{video, now + 1h, 0}), now));
}

}  // namespace
}  // namespace vora::auth
