#include "services/event_engine/core/accounts.hpp"

#include "libs/base/crypto.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace vora::event_engine {
namespace {

constexpr auto* two =
    "# the engine's\n\nwriter 0123456789abcdef write\n reader fedcba9876543210  read\n";

TEST(engine_accounts, are_found_by_name_and_key_together) {
    auto parsed = parse_accounts(two);
    ASSERT_TRUE(parsed) << parsed.error().detail;
    const accounts all(std::move(*parsed));
    ASSERT_NE(all.find("writer", "0123456789abcdef"), nullptr);
    EXPECT_FALSE(all.find("writer", "0123456789abcdef")->only_reads);
    ASSERT_NE(all.find("reader", "fedcba9876543210"), nullptr);
    EXPECT_TRUE(all.find("reader", "fedcba9876543210")->only_reads);
    EXPECT_TRUE(all.has_reader());
    EXPECT_EQ(all.find("writer", "fedcba9876543210"), nullptr);
    EXPECT_EQ(all.find("", "0123456789abcdef"), nullptr);
    EXPECT_EQ(all.find("writer", ""), nullptr);
}

TEST(engine_accounts, one_key_counts_under_every_name) {
    const accounts all({{"", "0123456789abcdef", false}});
    EXPECT_NE(all.find("anybody", "0123456789abcdef"), nullptr);
    EXPECT_EQ(all.find("anybody", "x"), nullptr);
    EXPECT_FALSE(all.has_reader());
}

TEST(engine_accounts, a_mistake_is_told_by_its_line_and_never_by_its_password) {
    const std::string secret = "0123456789secret";
    for (const auto& text : std::vector<std::string>{
             "a " + secret, "a " + secret + " admin", "a " + secret + " read more", "a short read",
             "a " + secret + " read\na " + secret + " write", "# nobody\n"}) {
        const auto r = parse_accounts(text);
        ASSERT_FALSE(r) << text;
        EXPECT_EQ(r.error().detail.find(secret), std::string::npos) << r.error().detail;
    }
    EXPECT_NE(parse_accounts("\na short read").error().detail.find("line 2"), std::string::npos);
}

TEST(engine_accounts, a_file_that_others_may_read_is_refused) {
    const auto path = std::filesystem::temp_directory_path() / ("accounts-" + random_hex(8));
    std::ofstream(path) << two;
    ::chmod(path.c_str(), 0644);
    EXPECT_FALSE(read_accounts(path.string()));
    ::chmod(path.c_str(), 0600);
    const auto read = read_accounts(path.string());
    EXPECT_TRUE(read && read->size() == 2);
    std::filesystem::remove(path);
    EXPECT_FALSE(read_accounts(path.string()));
}

}  // namespace
}  // namespace vora::event_engine
