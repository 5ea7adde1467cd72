#include "services/analytics/core/topic_batch.hpp"

#include "services/analytics/core/record.hpp"
#include "services/analytics/core/row_binary.hpp"

#include <gtest/gtest.h>

namespace vora::analytics {
namespace {

const timestamp now{seconds(1'800'000'000)};
constexpr std::size_t no_limit = 1 << 30;

std::string rows(std::uint64_t from, std::uint64_t to) {
    std::string bytes;
    for (auto i = from; i < to; ++i) {
        event e;
        e.event_time = e.received_at = now;
        e.video_id = "video";
        e.event_type = "play";
        e.seq = i;
        append_row(bytes, e);
    }
    return bytes;
}

std::string message(std::uint64_t from, std::uint64_t to) {
    std::string value;
    append_record(value, rows(from, to), static_cast<std::uint32_t>(to - from), 0, now);
    return value;
}

// Messages at offsets 100, 101, ... of `each` rows; row n of them all has seq n.
std::deque<topic_message> messages(std::uint64_t count, std::uint64_t each) {
    std::deque<topic_message> all;
    for (std::uint64_t i = 0; i < count; ++i) {
        all.push_back(
            read_message(100 + static_cast<std::int64_t>(i), message(i * each, (i + 1) * each)));
    }
    return all;
}

TEST(topic_batch, takes_whole_messages_up_to_the_limits) {
    const auto all = messages(5, 10);
    const topic_position start{{100, 0}, {}};
    const auto everything = next_rows(all, start, 1000, no_limit);
    ASSERT_TRUE(everything);
    EXPECT_EQ(everything->rows, 50u);
    EXPECT_EQ(everything->bytes, rows(0, 50));
    EXPECT_EQ(everything->end, (topic_place{105, 0}));
    EXPECT_EQ(everything->oldest, now);
    const auto few_bytes = next_rows(all, start, 1000, 2 * all[0].value.size());
    ASSERT_TRUE(few_bytes);
    EXPECT_EQ(few_bytes->end, (topic_place{102, 0}));
    const auto tiny = next_rows(all, start, 1000, 1);
    ASSERT_TRUE(tiny);
    EXPECT_EQ(tiny->rows, 10u) << "one message always goes";
}

TEST(topic_batch, ends_within_a_message_and_goes_on_there) {
    const auto all = messages(3, 10);
    topic_position at{{100, 0}, {}};
    std::string sent;
    for (int i = 0; i < 10; ++i) {
        const auto batch = next_rows(all, at, 3, no_limit);
        ASSERT_TRUE(batch);
        EXPECT_EQ(batch->rows, 3u);
        sent += batch->bytes;
        at.next = batch->end;
    }
    EXPECT_EQ(sent, rows(0, 30));
    EXPECT_EQ(at.next, (topic_place{103, 0}));
    EXPECT_FALSE(next_rows(all, at, 3, no_limit));
}

TEST(topic_batch, a_planned_batch_comes_again_as_it_was_whatever_has_come_since) {
    const auto before = messages(2, 10);
    const topic_position start{{100, 0}, {}};
    const auto first = next_rows(before, start, 13, no_limit);
    ASSERT_TRUE(first);
    const auto again = next_rows(messages(9, 10), {{100, 0}, first->end}, 50'000, no_limit);
    ASSERT_TRUE(again);
    EXPECT_EQ(again->bytes, first->bytes);
    EXPECT_EQ(again->end, first->end);
    EXPECT_EQ(batch_token("t", 1, start.next, *again), batch_token("t", 1, start.next, *first));
    // Also with smaller limits.
    EXPECT_EQ(next_rows(messages(9, 10), {{100, 0}, first->end}, 2, 1)->bytes, first->bytes);
}

TEST(topic_batch, a_planned_batch_waits_until_all_of_it_is_there) {
    const topic_position planned{{100, 4}, topic_place{102, 3}};
    EXPECT_FALSE(next_rows({}, planned, 1000, no_limit));
    EXPECT_FALSE(next_rows(messages(2, 10), planned, 1000, no_limit));
    const auto whole = next_rows(messages(3, 10), planned, 1000, no_limit);
    ASSERT_TRUE(whole);
    EXPECT_EQ(whole->bytes, rows(4, 23));
    const auto to_the_end = next_rows(messages(2, 10), {{100, 0}, topic_place{102, 0}}, 1, 1);
    ASSERT_TRUE(to_the_end);
    EXPECT_EQ(to_the_end->rows, 20u);
}

TEST(topic_batch, what_the_topic_no_longer_has_is_stepped_over) {
    auto all = messages(4, 10);
    all.erase(all.begin(), all.begin() + 2);
    const auto batch = next_rows(all, {{100, 5}, topic_place{103, 0}}, 1000, no_limit);
    ASSERT_TRUE(batch);
    EXPECT_EQ(batch->bytes, rows(20, 30));
    EXPECT_EQ(batch->end, (topic_place{103, 0}));
    const auto none = next_rows(all, {{90, 0}, topic_place{95, 0}}, 1000, no_limit);
    ASSERT_TRUE(none);
    EXPECT_EQ(none->rows, 0u);
    EXPECT_EQ(none->end, (topic_place{95, 0})) << "an empty batch is settled like any";
}

TEST(topic_batch, messages_that_are_not_ours_are_lost_alone_and_counted) {
    const std::string good = message(0, 10);
    std::string flipped = good;
    flipped[60] = static_cast<char>(flipped[60] ^ 1);
    std::string false_count;
    append_record(false_count, rows(0, 10), 9, 0, now);
    for (const auto& value : {std::string(), std::string("hello"), flipped, good + "x", good + good,
                              good.substr(0, good.size() - 1), false_count}) {
        auto all = messages(3, 10);
        all[1] = read_message(101, value);
        EXPECT_TRUE(all[1].damaged);
        const auto batch = next_rows(all, {{100, 0}, {}}, 1000, no_limit);
        ASSERT_TRUE(batch);
        EXPECT_EQ(batch->bytes, rows(0, 10) + rows(20, 30));
        EXPECT_EQ(batch->lost, 1u);
        EXPECT_EQ(batch->end, (topic_place{103, 0}));
    }
}

TEST(topic_batch, positions_are_read_back_and_foreign_ones_are_no_plan) {
    for (const topic_position& p : {topic_position{{7, 0}, {}}, topic_position{{7, 3}, {}},
                                    topic_position{{7, 3}, topic_place{7, 4}},
                                    topic_position{{7, 0}, topic_place{900, 12}}}) {
        EXPECT_EQ(parse_position(7, encode_position(p)), p) << encode_position(p);
    }
    for (const auto* text : {"", "x", "vora1", "vora1 ", "vora1 x", "vora2 3 8 1"}) {
        EXPECT_EQ(parse_position(7, text), (topic_position{{7, 0}, {}})) << text;
    }
    for (const auto* text : {"vora1 3 8", "vora1 3 8 1 9", "vora1 3 7 3", "vora1 3 -1 0"}) {
        EXPECT_EQ(parse_position(7, text), (topic_position{{7, 3}, {}})) << text;
    }
}

TEST(topic_batch, the_token_tells_topics_partitions_places_and_contents_apart) {
    const auto all = messages(2, 10);
    const auto batch = *next_rows(all, {{100, 0}, {}}, 1000, no_limit);
    const auto token = batch_token("t", 0, {100, 0}, batch);
    EXPECT_NE(token, batch_token("u", 0, {100, 0}, batch));
    EXPECT_NE(token, batch_token("t", 1, {100, 0}, batch));
    EXPECT_NE(token, batch_token("t", 0, {100, 1}, batch));
    auto other = batch;
    other.bytes = rows(50, 70);
    EXPECT_NE(token, batch_token("t", 0, {100, 0}, other)) << "a topic that was made again";
}

}  // namespace
}  // namespace vora::analytics
