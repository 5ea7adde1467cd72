#include "services/analytics/core/event.hpp"

#include "contracts/events/playback_events.hpp"
#include "libs/base/encoding.hpp"

#include <algorithm>

namespace vora::analytics {

bool is_event_type(std::string_view text) {
    return std::ranges::find(contracts::events::event_types, text) !=
           contracts::events::event_types.end();
}

bool is_printable(std::string_view text, std::size_t bytes_max) {
    if (text.size() > bytes_max) {
        return false;
    }
    bool ascii = true;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto c = static_cast<unsigned char>(text[i]);
        if (c < 0x20 || c == 0x7f) {
            return false;
        }
        // C1 controls are 0xc2 0x80 to 0xc2 0x9f.
        if (c == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0) {
            return false;
        }
        ascii = ascii && c < 0x80;
    }
    return ascii || is_valid_utf8(text);
}

timestamp clamp_time(timestamp event_time, timestamp received) {
    return std::clamp<timestamp>(event_time, received - past_max, received + future_max);
}

}  // namespace vora::analytics
