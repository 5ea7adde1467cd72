#include "services/analytics/core/record.hpp"

#include "libs/base/assert.hpp"
#include "libs/base/crc32c.hpp"
#include "services/analytics/core/bytes.hpp"
#include "services/analytics/core/row_binary.hpp"

#include <algorithm>

namespace vora::analytics {

namespace {

constexpr std::string_view segment_magic = "\xfeVoraEv1";
constexpr std::string_view record_magic = "\xfeVEv";
static_assert(segment_magic.size() == 8 && record_magic.size() == 4);

// Where a record's numbers stand.
constexpr std::size_t payload_bytes_at = 4;
constexpr std::size_t rows_at = 8;
constexpr std::size_t schema_at = 12;
constexpr std::size_t first_row_at = 16;
constexpr std::size_t received_at = 24;
constexpr std::size_t payload_crc_at = 32;
constexpr std::size_t header_crc_at = 36;

// Rows [from, to) of a record's payload; nullopt when its rows are not what they should be.
std::optional<std::string_view> slice(const record& r, std::uint64_t from, std::uint64_t to) {
    if (from == r.first_row && to == r.end_row()) {
        return r.payload;
    }
    return rows_between(r.payload, from - r.first_row, to - r.first_row);
}

bool is_full(const collected_rows& c, const record& next, const row_range& wanted) {
    if (wanted.until_row || c.rows == 0) {
        return false;
    }
    return c.rows >= wanted.rows_max || c.bytes.size() + next.payload.size() > wanted.bytes_max;
}

// Where to stop within r.
std::uint64_t last_row(const collected_rows& c, const record& r, const row_range& wanted) {
    if (wanted.until_row) {
        return std::min(r.end_row(), *wanted.until_row);
    }
    return std::min(r.end_row(), c.end_row + (wanted.rows_max - c.rows));
}

// Rows [c.end_row, to) of r.
void take(collected_rows& c, const record& r, std::uint64_t to) {
    const auto bytes = r.damaged ? std::nullopt : slice(r, c.end_row, to);
    if (bytes) {
        c.bytes.append(*bytes);
        c.rows += to - c.end_row;
        c.oldest = c.oldest ? std::min(*c.oldest, r.received) : r.received;
    } else {
        c.lost += to - c.end_row;
    }
    c.end_row = to;
}

}  // namespace

std::string encode_segment_header(const segment_header& h) {
    VORA_ASSERT(h.spool_id.size() == spool_id_bytes);
    std::string bytes(segment_magic);
    bytes += h.spool_id;
    append_u64(bytes, h.number);
    append_u64(bytes, h.previous_rows);
    append_u32(bytes, crc32c(bytes));
    return bytes;
}

std::optional<segment_header> parse_segment_header(std::string_view bytes) {
    constexpr std::size_t numbers_at = segment_magic.size() + spool_id_bytes;
    constexpr std::size_t crc_at = segment_header_bytes - 4;
    if (bytes.size() < segment_header_bytes || !bytes.starts_with(segment_magic) ||
        u32_at(bytes, crc_at) != crc32c(bytes.substr(0, crc_at))) {
        return std::nullopt;
    }
    return segment_header{std::string(bytes.substr(segment_magic.size(), spool_id_bytes)),
                          u64_at(bytes, numbers_at), u64_at(bytes, numbers_at + 8)};
}

void append_record(std::string& to, std::string_view rows, std::uint32_t count,
                   std::uint64_t first_row, timestamp received) {
    VORA_ASSERT(count > 0 && rows.size() <= payload_bytes_max);
    const std::size_t start = to.size();
    to.append(record_magic);
    append_u32(to, static_cast<std::uint32_t>(rows.size()));
    append_u32(to, count);
    append_u32(to, row_schema);
    append_u64(to, first_row);
    append_u64(to, static_cast<std::uint64_t>(to_unix_ms(received)));
    append_u32(to, crc32c(rows));
    append_u32(to, crc32c(std::string_view(to).substr(start)));
    to.append(rows);
}

std::optional<record> record_cursor::header_at(std::size_t at) const {
    const auto head = bytes_.substr(at, record_header_bytes);
    if (head.size() < record_header_bytes || !head.starts_with(record_magic) ||
        u32_at(head, header_crc_at) != crc32c(head.substr(0, header_crc_at))) {
        return std::nullopt;
    }
    record r;
    r.offset = at;
    r.first_row = u64_at(head, first_row_at);
    r.rows = u32_at(head, rows_at);
    r.received = from_unix_ms(static_cast<std::int64_t>(u64_at(head, received_at)));
    // Shorter than announced when torn.
    r.payload = bytes_.substr(at + record_header_bytes, u32_at(head, payload_bytes_at));
    if (r.rows == 0 || r.end_row() < r.first_row) {
        return std::nullopt;
    }
    r.damaged = u32_at(head, schema_at) != row_schema ||
                (check_ == check::payloads && u32_at(head, payload_crc_at) != crc32c(r.payload));
    return r;
}

void record_cursor::skip_to(std::size_t at) {
    skipped_ += at - at_;
    at_ = at;
}

std::optional<record> record_cursor::next() {
    while (at_ < bytes_.size()) {
        auto r = header_at(at_);
        if (!r) {
            skip_to(std::min(bytes_.find(record_magic, at_ + 1), bytes_.size()));
            continue;
        }
        if (r->payload.size() < u32_at(bytes_, at_ + payload_bytes_at)) {
            skip_to(bytes_.size());
            return std::nullopt;
        }
        at_ = r->end_offset();
        return r;
    }
    return std::nullopt;
}

collected_rows collect(std::string_view bytes, const row_range& wanted) {
    collected_rows c;
    c.end_row = wanted.from_row;
    record_cursor cursor(bytes);
    while (const auto r = cursor.next()) {
        if (wanted.until_row && r->first_row >= *wanted.until_row) {
            break;
        }
        if (r->end_row() <= c.end_row) {
            c.end_offset = r->end_offset();
            continue;
        }
        if (r->first_row > c.end_row) {
            c.lost += r->first_row - c.end_row;
            c.end_row = r->first_row;
        }
        if (is_full(c, *r, wanted)) {
            c.end_offset = r->offset;
            return c;
        }
        const std::uint64_t to = last_row(c, *r, wanted);
        take(c, *r, to);
        c.end_offset = to < r->end_row() ? r->offset : r->end_offset();
        if (to < r->end_row()) {
            return c;
        }
    }
    if (!wanted.until_row) {
        c.end_offset = bytes.size();
    } else if (c.end_row < *wanted.until_row) {
        c.lost += *wanted.until_row - c.end_row;
        c.end_row = *wanted.until_row;
    }
    return c;
}

}  // namespace vora::analytics
