// What stands before the data must hold all of the SQL: no byte of the data is in the head, and the
// head ends before the keyword that begins the data.
#include "services/event_engine/core/insert_text.hpp"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(bytes), size);
    const auto i = vora::event_engine::take_apart(text);
    if (!i) {
        return 0;
    }
    if (i->head.size() + i->data.size() > text.size() || !text.ends_with(i->data)) {
        std::abort();
    }
    // The head alone is the same statement, without data.
    const auto again = vora::event_engine::take_apart(i->head);
    if (!again || !again->data.empty() || !again->format.empty() || again->head != i->head) {
        std::abort();
    }
    return 0;
}
