// Fuzzes the events' JSON: no crash, and what is taken is exactly so many whole rows.

#include "libs/base/assert.hpp"
#include "services/analytics/core/row_binary.hpp"
#include "services/analytics/handlers/event_json.hpp"

#include <cstdint>

namespace vora::analytics {

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static event_parser parser;
    const std::string_view body(reinterpret_cast<const char*>(data), size);
    const auto r = parser.parse(body, vora::from_unix_ms(1'800'000'000'000));
    if (!r) {
        return 0;
    }
    std::string_view rest = r->rows;
    for (std::uint32_t i = 0; i < r->good; ++i) {
        const auto n = row_length(rest);
        VORA_ASSERT(n.has_value());
        rest.remove_prefix(*n);
    }
    VORA_ASSERT(rest.empty());
    return 0;
}

}  // namespace vora::analytics
