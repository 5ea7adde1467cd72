#include "services/all/data_dir.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace vora::all {
namespace {

struct data_dir_test : testing::Test {
    std::string path =
        std::filesystem::temp_directory_path() / ("vora_dir_" + std::to_string(getpid()));
    void TearDown() override { std::filesystem::remove_all(path); }
};

TEST_F(data_dir_test, a_second_holder_is_told_who_holds_it) {
    const auto first = data_dir::open(path);
    ASSERT_TRUE(first.has_value());
    const auto second = data_dir::open(path);
    ASSERT_FALSE(second.has_value());
    EXPECT_EQ(second.error().reason, "data_dir_in_use");
    EXPECT_NE(second.error().detail.find(std::to_string(getpid())), std::string::npos);
}

TEST_F(data_dir_test, it_is_free_again_when_the_holder_is_gone) {
    {
        ASSERT_TRUE(data_dir::open(path).has_value());
    }
    EXPECT_TRUE(data_dir::open(path).has_value());
}

TEST_F(data_dir_test, secrets_are_made_once_and_private) {
    const auto dir = data_dir::open(path);
    const auto first = dir->secret("keys/internal.secret");
    ASSERT_TRUE(first.has_value());
    EXPECT_EQ(first->size(), 64u);
    EXPECT_EQ(dir->secret("keys/internal.secret").value(), *first);
    struct stat s{};
    ASSERT_EQ(stat(dir->file("keys/internal.secret").c_str(), &s), 0);
    EXPECT_EQ(s.st_mode & 0777, 0600u);
}

TEST_F(data_dir_test, the_api_token_is_kept_while_it_is_good) {
    const auto dir = data_dir::open(path);
    auto issuer = auth::token_issuer::load_or_create(dir->file("keys/issuer.pem"));
    ASSERT_TRUE(issuer.has_value());
    auth::token_verifier verifier;
    ASSERT_TRUE(verifier.add_key(issuer->public_key_pem(), issuer->key_id()).has_value());
    const auto now = system_clock_source().now();
    const auto read = [&] {
        std::ifstream in(dir->file("api.token"));
        std::string text;
        in >> text;
        return text;
    };
    ASSERT_TRUE(dir->ensure_api_token(*issuer, verifier, now).has_value());
    const auto first = read();
    ASSERT_TRUE(dir->ensure_api_token(*issuer, verifier, now + std::chrono::hours(1)).has_value());
    EXPECT_EQ(read(), first);
    ASSERT_TRUE(dir->ensure_api_token(*issuer, verifier, now + std::chrono::days(350)).has_value());
    EXPECT_NE(read(), first);
}

}  // namespace
}  // namespace vora::all
