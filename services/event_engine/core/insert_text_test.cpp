#include "services/event_engine/core/insert_text.hpp"

#include <gtest/gtest.h>

namespace vora::event_engine {
namespace {

TEST(insert_text, splits_statement_format_and_data) {
    const auto i = take_apart("INSERT INTO t (a, b) FORMAT RowBinary\n\x01\x02");
    ASSERT_TRUE(i);
    EXPECT_EQ(i->head, "INSERT INTO t (a, b) ");
    EXPECT_EQ(i->format, "RowBinary");
    EXPECT_EQ(i->data, "\x01\x02");
    EXPECT_FALSE(i->refused);
}

TEST(insert_text, keeps_every_byte_of_the_data_after_one_line_end) {
    const std::string data("\n\nDROP TABLE t;\0 FORMAT CSV", 27);
    const std::string text = "insert into t format JSONEachRow \t\n" + data;
    const auto i = take_apart(text);
    ASSERT_TRUE(i);
    EXPECT_EQ(i->head, "insert into t ");
    EXPECT_EQ(i->data, data);
}

TEST(insert_text, takes_values_as_data) {
    const auto i = take_apart("INSERT INTO t VALUES (1); DROP TABLE t");
    ASSERT_TRUE(i);
    EXPECT_EQ(i->head, "INSERT INTO t ");
    EXPECT_EQ(i->format, "Values");
    EXPECT_EQ(i->data, " (1); DROP TABLE t");
}

TEST(insert_text, does_not_take_quoted_or_commented_words_for_keywords) {
    const auto i = take_apart(
        "/* c */ -- d\n INSERT INTO `a FORMAT b` (\"VALUES\", `x``y SELECT`) /* FORMAT Z */ "
        "SETTINGS s = 'it''s \\' FORMAT Q' FORMAT CSV\n1");
    ASSERT_TRUE(i);
    EXPECT_EQ(i->format, "CSV");
    EXPECT_EQ(i->data, "1");
    EXPECT_FALSE(i->selects);
}

TEST(insert_text, knows_an_insert_that_selects) {
    const auto i = take_apart("INSERT INTO t SELECT 1");
    ASSERT_TRUE(i);
    EXPECT_TRUE(i->selects);
    EXPECT_FALSE(i->refused);
    EXPECT_EQ(i->head, "INSERT INTO t SELECT 1");
}

TEST(insert_text, refuses_data_behind_a_select_and_data_from_a_file) {
    EXPECT_TRUE(take_apart("INSERT INTO t SELECT * FROM input('a Int8') FORMAT CSV\n1")->refused);
    EXPECT_TRUE(take_apart("INSERT INTO t FROM INFILE '/etc/passwd' FORMAT CSV")->refused);
    EXPECT_TRUE(take_apart("INSERT INTO t FORMAT 'x'")->refused);
}

TEST(insert_text, leaves_other_statements_alone) {
    for (const auto* text : {"SELECT 'INSERT INTO t'", "", "  ", "-- INSERT", "INSERTED", "(INSERT",
                             "CREATE TABLE t (a Int8)", "'INSERT' INTO t"}) {
        EXPECT_FALSE(take_apart(text)) << text;
    }
}

TEST(insert_text, ends_at_the_end_of_what_is_never_closed) {
    for (const auto* text : {"INSERT INTO t (a 'x", "INSERT /* x", "INSERT INTO `", "INSERT -- x",
                             "INSERT INTO t FORMAT", "INSERT INTO t 'a\\"}) {
        const auto i = take_apart(text);
        ASSERT_TRUE(i) << text;
        EXPECT_TRUE(i->data.empty()) << text;
    }
}

}  // namespace
}  // namespace vora::event_engine
