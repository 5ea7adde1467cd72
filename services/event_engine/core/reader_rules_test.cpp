#include "services/event_engine/core/reader_rules.hpp"

#include <gtest/gtest.h>

namespace vora::event_engine {
namespace {

const reader_rules rules({"file", "url", "remote", "numbers", "merge"});

bool takes(std::string_view sql) {
    const auto r = rules.check(sql);
    return r.has_value() || r.error().code != 497;
}

TEST(reader_rules, take_questions_about_tables) {
    EXPECT_TRUE(takes("SELECT count(), 'file(' FROM vora.PlaybackEvents WHERE a = {a:String}"));
    EXPECT_TRUE(takes("SELECT version(), (SELECT value FROM system.settings) FORMAT JSON"));
    EXPECT_TRUE(takes("SELECT \"file\", `url` FROM t WHERE x -> 'it''s \\' default.x' = 1"));
    EXPECT_TRUE(takes("SELECT number FROM numbers(10) -1"));
    EXPECT_TRUE(takes(""));
}

TEST(reader_rules, refuse_functions_that_reach_beyond_tables_however_they_are_written) {
    for (const auto* sql :
         {"SELECT * FROM file('/etc/passwd')", "SELECT * FROM FILE ('/etc/passwd')",
          "SELECT * FROM `file`\n('/etc/passwd')", "SELECT file('/etc/passwd')",
          "SELECT * FROM \"url\"('http://x')", "DESCRIBE TABLE url('http://x')",
          "SELECT * FROM merge('d', 't')", "SELECT (SELECT * FROM remote('h', d.t))"}) {
        EXPECT_FALSE(takes(sql)) << sql;
    }
}

TEST(reader_rules, refuse_the_database_that_is_the_file_system) {
    EXPECT_FALSE(takes("SELECT * FROM default.`/etc/passwd`"));
    EXPECT_FALSE(takes("SELECT * FROM `DEFAULT` . x"));
    EXPECT_FALSE(takes("SELECT * FROM {d:Identifier}.{t:Identifier}"));
}

TEST(reader_rules, refuse_settings_of_their_own) {
    EXPECT_FALSE(takes("SELECT 1 SETTINGS max_memory_usage = 0"));
    EXPECT_FALSE(takes("SELECT 1 settings max_threads = 64 FORMAT CSV"));
}

TEST(reader_rules, refuse_what_could_be_read_in_two_ways) {
    for (const auto* sql :
         {"SELECT * FROM file/**/('x')", "SELECT 1 -- '\n, file('x')", "SELECT $$a$$", "SELECT # x",
          "SELECT * FROM file\xC2\xA0('x')", "SELECT * FROM `f\\x69le`('x')", "SELECT 'open",
          "SELECT `open", "SELECT 'open\\"}) {
        EXPECT_FALSE(takes(sql)) << sql;
    }
}

}  // namespace
}  // namespace vora::event_engine
