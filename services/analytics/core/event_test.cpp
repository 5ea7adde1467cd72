#include "services/analytics/core/event.hpp"

#include "services/analytics/core/bytes.hpp"
#include "services/analytics/core/ledger.hpp"
#include "services/analytics/core/row_binary.hpp"

#include <gtest/gtest.h>

#include <set>

namespace vora::analytics {
namespace {

TEST(event_rules, texts_are_utf8_without_control_characters) {
    EXPECT_TRUE(is_printable("", 64));
    EXPECT_TRUE(is_printable("caf\xc3\xa9 \xf0\x9f\x8e\xac", 64));
    EXPECT_TRUE(is_printable("a\xc2\xa0z", 64));
    for (const std::string_view bad :
         {std::string_view("a\0b", 3), std::string_view("a\nb"), std::string_view("\x7f"),
          std::string_view("\xc2\x85"), std::string_view("\xc3"), std::string_view("\xed\xa0\x80"),
          std::string_view("\xfe")}) {
        EXPECT_FALSE(is_printable(bad, 64)) << bad;
    }
    EXPECT_TRUE(is_printable(std::string(64, 'x'), 64));
    EXPECT_FALSE(is_printable(std::string(65, 'x'), 64));
}

TEST(event_rules, a_time_is_kept_within_a_week_back_and_five_minutes_ahead) {
    const timestamp now{seconds(1'800'000'000)};
    EXPECT_EQ(clamp_time(now - 1h, now), now - 1h);
    EXPECT_EQ(clamp_time(timestamp{}, now), now - past_max);
    EXPECT_EQ(clamp_time(now + 101 * 24h, now), now + future_max);
}

// Whatever a hostile clock says, the days of one batch stay far below ClickHouse's 100 partitions.
TEST(event_rules, clamped_times_fall_on_at_most_nine_days) {
    const timestamp now{seconds(1'800'000'000)};
    std::set<std::int64_t> days;
    for (int day = -400; day < 400; ++day) {
        const auto t = clamp_time(now + day * 24h, now);
        days.insert(to_unix_ms(t) / 86'400'000);
    }
    EXPECT_LE(days.size(), 9u);
}

event sample() {
    event e;
    e.event_time = from_unix_ms(1'700'000'000'123);
    e.video_id = "v";
    e.user_id = "";
    e.event_type = "play";
    e.session_id = "se";
    e.seq = 7;
    e.position_ms = 0x0a0a;
    e.value = 300;
    e.detail = std::string_view("\n\n;DROP", 7);
    e.received_at = from_unix_ms(1'700'000'000'456);
    return e;
}

TEST(row_binary, a_row_is_the_tables_columns_in_order) {
    std::string row;
    append_row(row, sample());
    std::string wanted;
    append_u64(wanted, 1'700'000'000'123);
    wanted += std::string("\x01v\0\x04play\x02se", 11);
    append_u64(wanted, 7);
    append_u64(wanted, 0x0a0a);
    append_u64(wanted, 300);
    wanted += "\x07\n\n;DROP";
    append_u64(wanted, 1'700'000'000'456);
    EXPECT_EQ(row, wanted);
}

TEST(row_binary, the_length_of_a_row_is_found_and_half_a_row_is_none) {
    auto e = sample();
    const std::string longest(detail_bytes_max, 'x');
    e.detail = longest;  // its length takes two bytes
    std::string rows;
    append_row(rows, e);
    const std::size_t size = rows.size();
    append_row(rows, e);
    EXPECT_EQ(row_length(rows), size);
    for (std::size_t n = 0; n < size; ++n) {
        EXPECT_FALSE(row_length(std::string_view(rows).substr(0, n))) << n;
    }
    EXPECT_FALSE(row_length(std::string(64, '\xff')));
}

TEST(books, always_balance) {
    ledger books;
    totals seen;
    int calls = 0;
    books.on_change([&](const totals& t) {
        ++calls;
        seen = t;
        EXPECT_EQ(t.accepted, t.stored + t.spooled + t.dropped_sum());
    });
    totals before;
    before.stored = 10;
    before.of(drop_reason::damaged) = 2;
    books.carry_over(before);
    books.spool(5);
    books.refuse(drop_reason::bad_id, 1);
    books.store(3);
    books.lose(drop_reason::quarantined, 1);
    EXPECT_EQ(calls, 5);
    EXPECT_EQ(seen.accepted, 18u);
    EXPECT_EQ(seen.stored, 13u);
    EXPECT_EQ(seen.spooled, 1u);
    // More comes out than was counted in: it must have been accepted.
    books.lose(drop_reason::damaged, 4);
    EXPECT_EQ(seen.spooled, 0u);
    EXPECT_EQ(seen.accepted, 21u);
}

}  // namespace
}  // namespace vora::analytics
