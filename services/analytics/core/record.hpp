#pragma once
// What a spool segment is made of. A segment starts with a header; then follow records, each the
// rows of one request as they will be sent, so that draining is concatenation. Rows are numbered
// within their segment: a gap between two records is the exact number of rows lost in between.
//
//   segment header  magic 8 | spool id 16 | number u64 | rows of the segment before u64 | crc u32
//   record          magic 4 | payload bytes u32 | rows u32 | schema u32 | first row u64
//                   | received ms u64 | payload crc u32 | header crc u32 | payload
//
// Numbers are little-endian, checksums CRC-32C. The magics start with a byte that no UTF-8 text
// has, and what a client can choose elsewhere in a row is too short for a header: bytes of a client
// never pass for a record when damage is stepped over.

#include "libs/base/clock.hpp"

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace vora::analytics {

inline constexpr std::uint32_t row_schema = 1;
inline constexpr std::size_t spool_id_bytes = 16;
inline constexpr std::size_t segment_header_bytes = 44;
inline constexpr std::size_t record_header_bytes = 40;
inline constexpr std::size_t payload_bytes_max = 1 << 20;
inline constexpr auto rows_unknown = std::numeric_limits<std::uint64_t>::max();

struct segment_header {
    std::string spool_id;
    std::uint64_t number = 0;
    std::uint64_t previous_rows = rows_unknown;  // known when one process wrote both
};

std::string encode_segment_header(const segment_header& h);
std::optional<segment_header> parse_segment_header(std::string_view bytes);

void append_record(std::string& to, std::string_view rows, std::uint32_t count,
                   std::uint64_t first_row, timestamp received);

struct record {
    std::size_t offset = 0;  // of the header, in the bytes given
    std::uint64_t first_row = 0;
    std::uint32_t rows = 0;
    timestamp received;
    std::string_view payload;
    bool damaged = false;  // the header is right, the payload is not

    std::uint64_t end_row() const { return first_row + rows; }
    std::size_t end_offset() const { return offset + record_header_bytes + payload.size(); }
};

// Walks over records; steps over what is damaged to the next header that is right.
class record_cursor {
 public:
    enum class check { payloads, headers };

    explicit record_cursor(std::string_view bytes, check c = check::payloads)
        : bytes_(bytes), check_(c) {}
    // nullopt: the end, or a torn record, which can only be the last.
    std::optional<record> next();
    // Bytes that belong to no record, so far; at the end with the torn tail.
    std::size_t skipped_bytes() const { return skipped_; }

 private:
    std::optional<record> header_at(std::size_t at) const;
    void skip_to(std::size_t at);

    std::string_view bytes_;
    check check_;
    std::size_t at_ = 0;
    std::size_t skipped_ = 0;
};

// Which rows to take out of a segment.
struct row_range {
    std::uint64_t from_row = 0;
    std::optional<std::uint64_t> until_row = {};  // else as far as the limits allow
    std::uint64_t rows_max = 50'000;
    std::size_t bytes_max = 4 << 20;
};

struct collected_rows {
    std::string bytes;
    std::uint64_t rows = 0;
    std::uint64_t lost = 0;      // numbers within [from_row, end_row) that cannot be read
    std::uint64_t end_row = 0;   // where the next range starts
    std::size_t end_offset = 0;  // where to look for end_row, in the bytes given
    std::optional<timestamp> oldest;
};

// `bytes`: the segment from the record that holds from_row (or any place before it). For the same
// bytes and an until_row the answer is the same, whatever has been appended since.
collected_rows collect(std::string_view bytes, const row_range& wanted);

}  // namespace vora::analytics
