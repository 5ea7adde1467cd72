// Fuzzes what is read back from disk and from Kafka: segments, the state, messages, positions.
// Whatever the bytes: no crash, and the borders of a batch that were written down give the same
// rows again.

#include "libs/base/assert.hpp"
#include "services/analytics/core/record.hpp"
#include "services/analytics/core/spool_state.hpp"
#include "services/analytics/core/topic_batch.hpp"

#include <cstdint>

namespace vora::analytics {

namespace {

void fuzz_topic(std::string_view bytes, std::uint64_t rows_max) {
    const auto at = parse_position(5, bytes);
    VORA_ASSERT(parse_position(5, encode_position(at)) == at);
    std::deque<topic_message> messages;
    messages.push_back(read_message(5, std::string(bytes)));
    messages.push_back(read_message(6, "not ours"));
    const auto batch = next_rows(messages, {{5, 0}, {}}, rows_max, 1 << 20);
    VORA_ASSERT(batch && batch->rows + batch->lost > 0);
    const auto again = next_rows(messages, {{5, 0}, batch->end}, 1, 1);
    VORA_ASSERT(again && again->bytes == batch->bytes && again->lost == batch->lost);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) {
        return 0;
    }
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    parse_segment_header(bytes);
    if (const auto s = parse_state(bytes)) {
        VORA_ASSERT(parse_state(encode_state(*s)) == s);
    }
    fuzz_topic(bytes, 1u + data[0]);
    row_range wanted;
    wanted.rows_max = 1u + data[0];
    const auto c = collect(bytes, wanted);
    VORA_ASSERT(c.end_offset <= bytes.size());
    VORA_ASSERT(c.rows + c.lost == c.end_row);
    wanted.until_row = c.end_row;
    const auto again = collect(bytes, wanted);
    VORA_ASSERT(again.bytes == c.bytes && again.end_row == c.end_row && again.lost == c.lost);
    return 0;
}

}  // namespace vora::analytics
