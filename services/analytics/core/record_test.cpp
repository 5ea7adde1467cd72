#include "services/analytics/core/record.hpp"

#include "services/analytics/core/row_binary.hpp"
#include "services/analytics/core/spool_state.hpp"

#include <gtest/gtest.h>

#include <random>

namespace vora::analytics {
namespace {

const timestamp now{seconds(1'800'000'000)};

std::string row(std::uint64_t seq) {
    event e;
    e.event_time = e.received_at = now;
    e.video_id = "video";
    e.event_type = "play";
    e.seq = seq;
    std::string bytes;
    append_row(bytes, e);
    return bytes;
}

std::string rows(std::uint64_t from, std::uint64_t to) {
    std::string bytes;
    for (auto i = from; i < to; ++i) {
        bytes += row(i);
    }
    return bytes;
}

struct made_segment {
    std::string bytes;
    std::vector<std::size_t> starts;        // of records
    std::vector<std::uint64_t> first_rows;  // of records
    std::uint64_t rows = 0;
};

// Records of 1, 2, 3, ... rows; row n has seq n.
made_segment make_segment(int records) {
    made_segment s;
    s.bytes = encode_segment_header({"0123456789abcdef", 3, rows_unknown});
    for (int i = 1; i <= records; ++i) {
        const auto count = static_cast<std::uint32_t>(i);
        s.starts.push_back(s.bytes.size());
        s.first_rows.push_back(s.rows);
        append_record(s.bytes, rows(s.rows, s.rows + count), count, s.rows, now + seconds(i));
        s.rows += count;
    }
    return s;
}

TEST(segment_header, is_read_back_and_every_flipped_bit_is_seen) {
    const segment_header h{"0123456789abcdef", 42, 1000};
    const auto bytes = encode_segment_header(h);
    ASSERT_EQ(bytes.size(), segment_header_bytes);
    const auto back = parse_segment_header(bytes + "more");
    ASSERT_TRUE(back);
    EXPECT_EQ(back->spool_id, h.spool_id);
    EXPECT_EQ(back->number, 42u);
    EXPECT_EQ(back->previous_rows, 1000u);
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        auto bad = bytes;
        bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
        EXPECT_FALSE(parse_segment_header(bad)) << bit;
    }
    EXPECT_FALSE(parse_segment_header(std::string_view(bytes).substr(0, 43)));
}

TEST(spool_record, rows_come_back_in_order_and_whole) {
    const auto s = make_segment(5);
    const auto c = collect(s.bytes, {});
    EXPECT_EQ(c.rows, 15u);
    EXPECT_EQ(c.lost, 0u);
    EXPECT_EQ(c.end_row, 15u);
    EXPECT_EQ(c.end_offset, s.bytes.size());
    EXPECT_EQ(c.bytes, rows(0, 15));
    EXPECT_EQ(c.oldest, now + 1s);
}

TEST(spool_record, a_batch_can_end_and_start_within_a_record) {
    const auto s = make_segment(6);
    for (std::uint64_t size = 1; size <= 21; ++size) {
        std::string all;
        std::uint64_t row = 0;
        std::size_t offset = 0;
        while (row < s.rows) {
            const auto c = collect(std::string_view(s.bytes).substr(offset),
                                   {.from_row = row, .rows_max = size});
            ASSERT_GT(c.rows, 0u);
            ASSERT_LE(c.rows, size);
            // Written down and asked for again, also when more has been appended.
            const auto again = collect(s.bytes.substr(offset) + std::string(20, 'z'),
                                       {.from_row = row, .until_row = c.end_row});
            EXPECT_EQ(again.bytes, c.bytes);
            EXPECT_EQ(again.end_row, c.end_row);
            EXPECT_EQ(again.end_offset, row + c.rows == s.rows ? again.end_offset : c.end_offset);
            all += c.bytes;
            row = c.end_row;
            offset += c.end_offset;
        }
        EXPECT_EQ(all, rows(0, 21)) << size;
    }
}

TEST(spool_record, a_batch_keeps_to_its_bytes_but_takes_at_least_one_record) {
    const auto s = make_segment(4);
    const auto tiny = collect(s.bytes, {.bytes_max = 1});
    EXPECT_EQ(tiny.rows, 1u);
    EXPECT_EQ(tiny.end_offset, s.starts[1]);
    const auto two = collect(s.bytes, {.bytes_max = row(0).size() * 3});
    EXPECT_EQ(two.rows, 3u);
    EXPECT_EQ(two.end_offset, s.starts[2]);
}

TEST(spool_record, a_torn_tail_ends_the_segment) {
    const auto s = make_segment(3);
    for (std::size_t cut = s.starts[2]; cut < s.bytes.size(); ++cut) {
        const auto c = collect(std::string_view(s.bytes).substr(0, cut), {});
        EXPECT_EQ(c.rows, 3u) << cut;
        EXPECT_EQ(c.lost, 0u) << cut;
    }
}

TEST(spool_record, a_damaged_record_in_the_middle_loses_its_own_rows_exactly) {
    const auto s = make_segment(5);
    for (std::size_t at = s.starts[2]; at < s.starts[3]; ++at) {
        auto bytes = s.bytes;
        bytes[at] = static_cast<char>(bytes[at] ^ 0x40);
        const auto c = collect(bytes, {});
        EXPECT_EQ(c.rows, 12u) << at;
        EXPECT_EQ(c.lost, 3u) << at;
        EXPECT_EQ(c.bytes, rows(0, 3) + rows(6, 15)) << at;
    }
}

TEST(spool_record, a_damaged_segment_header_costs_no_row) {
    auto s = make_segment(2);
    s.bytes[3] = 'x';
    EXPECT_EQ(collect(s.bytes, {}).rows, 3u);
}

TEST(spool_record, an_unknown_schema_is_not_sent_as_rows) {
    std::string bytes;
    append_record(bytes, rows(0, 1), 1, 0, now);
    bytes[12] = 2;
    EXPECT_EQ(collect(bytes, {}).rows, 0u);
}

// What is there comes back unchanged and in order, what is lost is counted, nothing else appears.
TEST(spool_record, any_damage_loses_only_what_it_hits) {
    std::mt19937 dice(7);
    const auto s = make_segment(12);
    for (int round = 0; round < 4000; ++round) {
        auto bytes = s.bytes;
        std::vector<bool> hit(s.starts.size(), false);
        const std::size_t hits = 1 + dice() % 3;
        for (std::size_t i = 0; i < hits; ++i) {
            const std::size_t at = dice() % bytes.size();
            bytes[at] = static_cast<char>(dice());
            for (std::size_t r = 0; r < s.starts.size(); ++r) {
                const auto end = r + 1 < s.starts.size() ? s.starts[r + 1] : bytes.size();
                hit[r] = hit[r] || (at >= s.starts[r] && at < end && bytes[at] != s.bytes[at]);
            }
        }
        const auto c = collect(bytes, {.until_row = s.rows});
        std::string wanted;
        std::uint64_t lost = 0;
        for (std::size_t r = 0; r < s.starts.size(); ++r) {
            const auto end = r + 1 < s.starts.size() ? s.first_rows[r + 1] : s.rows;
            if (hit[r]) {
                lost += end - s.first_rows[r];
            } else {
                wanted += rows(s.first_rows[r], end);
            }
        }
        ASSERT_EQ(c.bytes, wanted) << round;
        ASSERT_EQ(c.lost, lost) << round;
    }
}

TEST(spool_record, text_of_a_client_does_not_pass_for_a_record) {
    std::string inner;
    append_record(inner, rows(100, 101), 1, 1, now);
    // A payload that holds a whole record: possible only for what is no row; damage its header.
    std::string bytes;
    append_record(bytes, rows(0, 1), 1, 0, now);
    EXPECT_FALSE(is_printable(inner.substr(0, 4), detail_bytes_max))
        << "no text of an event can hold the magic";
}

spool_state sample_state() {
    spool_state s;
    s.sequence = 9;
    s.spool_id = "0123456789abcdef";
    s.segment = 3;
    s.offset = 4711;
    s.row = 50;
    s.plan_end = 80;
    s.settled.stored = 1234;
    s.settled.of(drop_reason::damaged) = 5;
    return s;
}

TEST(spool_state_text, is_read_back) {
    const auto text = encode_state(sample_state());
    EXPECT_EQ(parse_state(text), sample_state());
    EXPECT_EQ(parse_state(text + std::string(100, '\0')), sample_state());
    EXPECT_LE(text.size(), state_bytes_max);
}

TEST(spool_state_text, damage_is_seen) {
    const auto text = encode_state(sample_state());
    for (std::size_t at = 0; at + 1 < text.size(); ++at) {
        auto bad = text;
        bad[at] = static_cast<char>(bad[at] ^ 1);
        EXPECT_FALSE(parse_state(bad)) << at;
        EXPECT_FALSE(parse_state(std::string_view(text).substr(0, at))) << at;
    }
    EXPECT_FALSE(parse_state(""));
}

TEST(spool_state_text, the_largest_state_fits_its_slot) {
    auto s = sample_state();
    constexpr std::uint64_t most = (std::uint64_t{1} << 53) - 1;
    s.sequence = s.segment = s.offset = s.row = s.plan_end = s.settled.stored = most;
    s.settled.dropped.fill(most);
    EXPECT_EQ(parse_state(encode_state(s)), s);
}

}  // namespace
}  // namespace vora::analytics
