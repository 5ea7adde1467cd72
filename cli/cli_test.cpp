#include "cli/connection.hpp"
#include "cli/progress.hpp"
#include "cli/resume_store.hpp"
#include "cli/tus_upload.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace vora::cli {
namespace {

TEST(progress, says_sizes_and_times_in_words) {
    EXPECT_EQ(bytes_in_words(512), "512 B");
    EXPECT_EQ(bytes_in_words(1536), "1.5 KiB");
    EXPECT_EQ(bytes_in_words(3.0 * (1ull << 40)), "3.0 TiB");
    EXPECT_EQ(seconds_in_words(65), "1:05");
    EXPECT_EQ(seconds_in_words(3661), "1:01:01");
    EXPECT_EQ(seconds_in_words(-3), "0:00");
}

TEST(progress, a_transfer_of_nothing_is_complete) {
    EXPECT_NE(transfer_meter(0, 0).line(0).find("100 %"), std::string::npos);
}

TEST(tus_upload, the_id_is_the_last_segment_of_the_location) {
    EXPECT_EQ(upload_id_of("http://h:1/files/abc123?grant=x/y"), "abc123");
}

TEST(error_of, one_table_for_all_answers) {
    const auto of = [](int status, std::string body = {}) {
        net::client_response r;
        r.status = status;
        r.body = std::move(body);
        return error_of(r);
    };
    EXPECT_EQ(of(404).code, errc::not_found);
    EXPECT_EQ(of(410).code, errc::not_found);
    EXPECT_EQ(of(401).code, errc::unauthenticated);
    EXPECT_EQ(of(423).code, errc::aborted);
    EXPECT_EQ(of(413).code, errc::resource_exhausted);
    EXPECT_EQ(of(507).code, errc::unavailable) << "worth waiting for";
    EXPECT_EQ(of(403).code, errc::failed_precondition);
    EXPECT_EQ(of(503).reason, "http_503");
    const auto told = of(409, R"({"code":"wrong_state","detail":"not so"})");
    EXPECT_EQ(told.reason, "wrong_state");
    EXPECT_EQ(told.detail, "not so");
    EXPECT_EQ(of(500, R"({"code":7,"detail":null})").reason, "http_500");
    EXPECT_EQ(of(500, "[1]").reason, "http_500");
}

struct resume_store_test : testing::Test {
    std::filesystem::path dir =
        std::filesystem::temp_directory_path() / ("vora_resume_" + std::to_string(getpid()));
    void SetUp() override {
        std::filesystem::create_directories(dir);
        setenv("XDG_STATE_HOME", dir.c_str(), 1);
        std::ofstream(dir / "clip.mp4") << "bytes";
    }
    void TearDown() override { std::filesystem::remove_all(dir); }
};

TEST_F(resume_store_test, keeps_records_until_they_are_forgotten) {
    const auto key = resume_store::key_of("http://a", dir / "clip.mp4");
    resume_store().save(key, {"v1", "http://a/files/1"});
    const auto found = resume_store().find(key);
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(found->location, "http://a/files/1");
    const auto mode = std::filesystem::status(dir / "vora/uploads.json").permissions();
    EXPECT_EQ(mode & std::filesystem::perms::group_all, std::filesystem::perms::none);
    resume_store().forget(key);
    EXPECT_FALSE(resume_store().find(key).has_value());
}

TEST_F(resume_store_test, a_changed_file_has_another_key) {
    const auto before = resume_store::key_of("http://a", dir / "clip.mp4");
    std::ofstream(dir / "clip.mp4", std::ios::app) << "more";
    EXPECT_NE(resume_store::key_of("http://a", dir / "clip.mp4"), before);
    EXPECT_NE(resume_store::key_of("http://b", dir / "clip.mp4"), before);
}

TEST_F(resume_store_test, a_damaged_file_counts_as_empty) {
    std::filesystem::create_directories(dir / "vora");
    std::ofstream(dir / "vora/uploads.json") << "{ not json";
    EXPECT_FALSE(resume_store().find("x").has_value());
    resume_store().save("x", {"v", "l"});
    EXPECT_TRUE(resume_store().find("x").has_value());
}

}  // namespace
}  // namespace vora::cli
