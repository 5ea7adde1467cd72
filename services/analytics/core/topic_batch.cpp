#include "services/analytics/core/topic_batch.hpp"

#include "libs/base/crc32c.hpp"
#include "services/analytics/core/record.hpp"
#include "services/analytics/core/row_binary.hpp"

#include <algorithm>
#include <charconv>

namespace vora::analytics {

namespace {

constexpr std::string_view version = "vora1 ";

template <class Number>
bool take_number(std::string_view& text, Number& n) {
    const auto end = std::from_chars(text.data(), text.data() + text.size(), n);
    if (end.ec != std::errc()) {
        return false;
    }
    text.remove_prefix(static_cast<std::size_t>(end.ptr - text.data()));
    if (text.starts_with(' ')) {
        text.remove_prefix(1);
    }
    return true;
}

std::string text_of(const topic_place& p) {
    return std::to_string(p.offset) + "." + std::to_string(p.row);
}

// Counted, not believed: a wrong count would move the borders between rows.
bool has_rows(std::string_view payload, std::uint64_t rows) {
    if (rows > payload.size()) {
        return false;
    }
    const auto all = rows_between(payload, 0, rows);
    return all && all->size() == payload.size();
}

// Whether the messages reach to the end of the plan.
bool reaches(const std::deque<topic_message>& messages, const topic_place& end) {
    const std::int64_t last = end.row > 0 ? end.offset : end.offset - 1;
    return !messages.empty() && messages.back().offset >= last;
}

// Rows [from, to) of m.
void take(topic_rows& c, const topic_message& m, std::uint64_t from, std::uint64_t to) {
    const auto bytes = m.damaged ? std::nullopt : rows_between(m.payload(), from, to);
    if (bytes) {
        c.bytes.append(*bytes);
        c.rows += to - from;
        c.oldest = c.oldest ? std::min(*c.oldest, m.received) : m.received;
    } else {
        c.lost += to - from;
    }
    c.end = to < m.rows ? topic_place{m.offset, to} : topic_place{m.offset + 1, 0};
}

}  // namespace

std::string encode_position(const topic_position& p) {
    std::string text(version);
    text += std::to_string(p.next.row);
    if (p.plan_end) {
        text += " " + std::to_string(p.plan_end->offset) + " " + std::to_string(p.plan_end->row);
    }
    return text;
}

topic_position parse_position(std::int64_t offset, std::string_view text) {
    topic_position p{{offset, 0}, {}};
    if (!text.starts_with(version)) {
        return p;
    }
    text.remove_prefix(version.size());
    if (!take_number(text, p.next.row) || text.empty()) {
        return p;
    }
    topic_place end;
    if (take_number(text, end.offset) && take_number(text, end.row) && text.empty() &&
        p.next < end) {
        p.plan_end = end;
    }
    return p;
}

std::string_view topic_message::payload() const {
    return std::string_view(value).substr(std::min(record_header_bytes, value.size()));
}

topic_message read_message(std::int64_t offset, std::string value) {
    topic_message m;
    m.offset = offset;
    m.value = std::move(value);
    record_cursor cursor(m.value);
    const auto r = cursor.next();
    m.damaged = !r || r->damaged || r->offset != 0 || r->end_offset() != m.value.size() ||
                !has_rows(r->payload, r->rows);
    if (!m.damaged) {
        m.rows = r->rows;
        m.received = r->received;
    }
    return m;
}

std::optional<topic_rows> next_rows(const std::deque<topic_message>& messages,
                                    const topic_position& from, std::uint64_t rows_max,
                                    std::size_t bytes_max) {
    if (from.plan_end && !reaches(messages, *from.plan_end)) {
        return std::nullopt;
    }
    topic_rows c;
    c.end = from.next;
    for (const auto& m : messages) {
        const std::uint64_t first = m.offset == c.end.offset ? c.end.row : 0;
        std::uint64_t to = m.rows;
        if (m.offset < c.end.offset || first >= m.rows) {
            continue;
        }
        if (from.plan_end) {
            if (topic_place{m.offset, first} >= *from.plan_end) {
                break;
            }
            to = m.offset == from.plan_end->offset ? std::min(to, from.plan_end->row) : to;
        } else {
            if (c.rows >= rows_max || (c.rows > 0 && c.bytes.size() + m.value.size() > bytes_max)) {
                break;
            }
            to = std::min(to, first + (rows_max - c.rows));
        }
        take(c, m, first, to);
    }
    if (from.plan_end) {
        c.end = *from.plan_end;
    } else if (c.end == from.next) {
        return std::nullopt;
    }
    return c;
}

std::string batch_token(std::string_view topic, int partition, const topic_place& from,
                        const topic_rows& rows) {
    return std::string(topic) + ":" + std::to_string(partition) + ":" + text_of(from) + "-" +
           text_of(rows.end) + ":" + std::to_string(crc32c(rows.bytes));
}

}  // namespace vora::analytics
