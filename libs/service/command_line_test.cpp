#include "libs/service/command_line.hpp"

#include <gtest/gtest.h>

namespace vora::service {
namespace {

result<command_line> parse(std::vector<const char*> words) {
    words.insert(words.begin(), "vora-upload");
    return parse_command_line(static_cast<int>(words.size()), words.data());
}

TEST(command_line, a_config_file_is_named_in_either_way) {
    EXPECT_EQ(parse({"--config", "/etc/a.toml"})->config_file, "/etc/a.toml");
    EXPECT_EQ(parse({"--config=/etc/b.toml"})->config_file, "/etc/b.toml");
    EXPECT_EQ(parse({})->config_file, "");
}

TEST(command_line, settings_keep_their_order_and_their_equals_signs) {
    const auto line = parse({"--log.level=warn", "--store.raw=file:/a=b", "--check"});
    ASSERT_TRUE(line);
    EXPECT_EQ(line->flags, (std::vector<std::string>{"log.level=warn", "store.raw=file:/a=b"}));
    EXPECT_TRUE(line->check);
    EXPECT_FALSE(line->help);
}

TEST(command_line, what_is_neither_is_refused_by_name) {
    for (const char* word : {"serve", "--config=", "--config", "--verbose", "-x", "--loglevel=a",
                             "--log=level.a", "log.level=info", ""}) {
        const auto line = parse({word});
        ASSERT_FALSE(line) << word;
        EXPECT_EQ(line.error().reason, "bad_command_line");
        EXPECT_NE(line.error().detail.find('"' + std::string(word) + '"'), std::string::npos);
    }
}

}  // namespace
}  // namespace vora::service
