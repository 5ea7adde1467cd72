// Fuzzes what is read back from disk: segments and the state. Whatever the bytes: no crash, and the
// borders of a batch that were written down give the same rows again.

#include "libs/base/assert.hpp"
#include "services/analytics/core/record.hpp"
#include "services/analytics/core/spool_state.hpp"

#include <cstdint>

namespace vora::analytics {

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) {
        return 0;
    }
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    parse_segment_header(bytes);
    if (const auto s = parse_state(bytes)) {
        VORA_ASSERT(parse_state(encode_state(*s)) == s);
    }
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
