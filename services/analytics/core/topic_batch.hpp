#pragma once
// Batches of a partition of a log that several processes share and any of them may go on with.
//
// A message is one record (core/record.hpp), the rows of one request. What a group keeps for a
// partition is the same as a spool's state: how far it is settled, and the borders of the batch
// that was begun. Whoever takes the partition over sends those rows again under the same token, and
// ClickHouse, which knows the token, stores them once.

#include "libs/base/clock.hpp"

#include <compare>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

namespace vora::analytics {

// A row: the message it is in, and its number there.
struct topic_place {
    std::int64_t offset = 0;
    std::uint64_t row = 0;

    auto operator<=>(const topic_place&) const = default;
};

struct topic_position {
    topic_place next;  // the first row that is not settled
    // Rows [next, plan_end) may have been sent.
    std::optional<topic_place> plan_end;

    bool operator==(const topic_position&) const = default;
};

// The text that stands beside a committed offset, which is next.offset.
std::string encode_position(const topic_position& p);
// Text that is not ours: the message's first row, and no plan.
topic_position parse_position(std::int64_t offset, std::string_view text);

struct topic_message {
    std::int64_t offset = 0;
    std::uint64_t rows = 1;
    timestamp received;
    std::string value;
    bool damaged = false;  // none of its rows can be read

    std::string_view payload() const;
};

// Whatever the bytes: a message that is not ours is one damaged row.
topic_message read_message(std::int64_t offset, std::string value);

struct topic_rows {
    std::string bytes;
    std::uint64_t rows = 0;
    std::uint64_t lost = 0;
    topic_place end;
    std::optional<timestamp> oldest;
};

// The next batch: the planned one, else a new one of at most rows_max rows and bytes_max bytes (but
// at least a message's, as far as rows_max goes). nullopt: nothing waits, or not all of the planned
// batch is among the messages yet. The same plan and messages give the same bytes.
std::optional<topic_rows> next_rows(const std::deque<topic_message>& messages,
                                    const topic_position& from, std::uint64_t rows_max,
                                    std::size_t bytes_max);

// Names the rows by place and content: a topic that was deleted and made again has the same places.
std::string batch_token(std::string_view topic, int partition, const topic_place& from,
                        const topic_rows& rows);

}  // namespace vora::analytics
