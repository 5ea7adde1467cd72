#include "libs/config/config.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace vora::config {
namespace {

struct sample {
    std::int64_t size_max_bytes = 100;
    std::string object_name = "original.mp4";
    std::chrono::seconds expiry{86400};
    bool open = true;
    double factor = 1.5;
};

struct config_test : testing::Test {
    sample values;
    schema s;
    std::filesystem::path path =
        std::filesystem::temp_directory_path() / ("vora_config_" + std::to_string(getpid()));

    void SetUp() override {
        s.add("upload.size_max_bytes", &values.size_max_bytes, "largest upload");
        s.add("upload.object_name", &values.object_name, "name of the object");
        s.add("upload.expiry_s", &values.expiry, "life of an unfinished upload");
        s.add("server.open", &values.open, "open a browser");
        s.add("limits.cpu_factor_max", &values.factor, "CPU seconds per second");
    }
    void TearDown() override { std::filesystem::remove(path); }
    void write(const std::string& text) { std::ofstream(path) << text; }
};

TEST_F(config_test, later_sources_win) {
    write(
        "[upload]\nsize_max_bytes = 200\nexpiry_s = 60\nobject_name = \"a.bin\"\n[server]\nopen = "
        "false\n");
    const char* environment[] = {"VORA_UPLOAD_SIZE_MAX_BYTES=300", "PATH=/bin", nullptr};
    ASSERT_TRUE(
        s.load(path, environment, {"upload.expiry_s=5", "limits.cpu_factor_max=2.5"}).has_value());
    EXPECT_EQ(values.size_max_bytes, 300);
    EXPECT_EQ(values.expiry, std::chrono::seconds(5));
    EXPECT_EQ(values.object_name, "a.bin");
    EXPECT_FALSE(values.open);
    EXPECT_EQ(values.factor, 2.5);
}

TEST_F(config_test, an_unknown_key_is_an_error_that_names_the_nearest) {
    write("[upload]\nsize_max = 1\n");
    auto r = s.load(path, nullptr, {});
    ASSERT_FALSE(r.has_value());
    EXPECT_EQ(r.error().reason, "unknown_config_key");
    r = s.load("/nonexistent", nullptr, {"upload.expiry=5"});
    ASSERT_FALSE(r.has_value());
    EXPECT_NE(r.error().detail.find("did you mean \"upload.expiry_s\""), std::string::npos)
        << r.error().detail;
}

TEST_F(config_test, an_unknown_key_of_a_known_section_in_the_environment_is_an_error) {
    const char* wrong[] = {"VORA_UPLOAD_EXPIRY=5", nullptr};
    const auto r = s.load("/nonexistent", wrong, {});
    ASSERT_FALSE(r.has_value());
    EXPECT_NE(r.error().detail.find("did you mean \"upload.expiry_s\""), std::string::npos)
        << r.error().detail;
    const char* others[] = {"VORA_URL=http://h", "VORA_FAULT_POINT=x", "UPLOAD_EXPIRY=5", nullptr};
    EXPECT_TRUE(s.load("/nonexistent", others, {}).has_value());
}

TEST_F(config_test, bad_values_are_refused) {
    for (auto flag : {"upload.size_max_bytes=-1", "upload.size_max_bytes=x", "server.open=1",
                      "upload.expiry_s=1.5", "limits.cpu_factor_max=nan", "upload.expiry_s"}) {
        EXPECT_FALSE(s.load("/nonexistent", nullptr, {flag}).has_value()) << flag;
    }
}

TEST_F(config_test, everything_that_is_wrong_is_told_with_its_place) {
    write("[upload]\nexpiry_s = 5\nsize_max_bytes = -1\n\nnonsense = true\n");
    const char* environment[] = {"VORA_SERVER_OPEN=perhaps", nullptr};
    const auto wrong =
        s.load_all(path, environment, {"limits.cpu_factor_max=x", "upload.expiry_s"});
    ASSERT_EQ(wrong.size(), 5u);
    const auto file = std::filesystem::path(path).filename().string();
    EXPECT_NE(wrong[0].detail.find("upload.size_max_bytes (" + file + " line 3)"),
              std::string::npos);
    EXPECT_NE(wrong[1].detail.find("upload.nonsense"), std::string::npos);
    EXPECT_NE(wrong[1].detail.find(file + " line 5"), std::string::npos);
    EXPECT_NE(wrong[2].detail.find("VORA_SERVER_OPEN"), std::string::npos);
    EXPECT_NE(wrong[3].detail.find("limits.cpu_factor_max (flag)"), std::string::npos);
    EXPECT_NE(wrong[4].detail.find("needs =value"), std::string::npos);
    EXPECT_EQ(values.expiry, std::chrono::seconds(5)) << "what is right counts";
}

TEST_F(config_test, the_password_in_a_url_is_not_shown) {
    for (const auto& [value, shown] : std::vector<std::pair<std::string, std::string>>{
             {"postgresql://u:secret@host:1/db", "postgresql://u:***@host:1/db"},
             {"postgresql://u:se@cret@host/db", "postgresql://u:***@host/db"},
             {"postgresql://u@host:1/db", "postgresql://u@host:1/db"},
             {"http://host:80/a", "http://host:80/a"},
             {"original.mp4", "original.mp4"}}) {
        ASSERT_TRUE(s.set("upload.object_name", value, "flag"));
        for (const auto& e : s.entries()) {
            if (e.key == "upload.object_name") {
                EXPECT_EQ(e.value, shown);
            }
        }
    }
}

}  // namespace
}  // namespace vora::config
