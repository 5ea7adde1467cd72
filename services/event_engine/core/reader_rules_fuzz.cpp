// What the rules take is read to its end in one way: a call that reaches a file behind it is still
// seen. A reading that lost its way in a quote would take it for text.
#include "services/event_engine/core/reader_rules.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    static const vora::event_engine::reader_rules rules({"file", "url", "numbers"});
    const std::string text(reinterpret_cast<const char*>(bytes), size);
    if (!rules.check(text)) {
        return 0;
    }
    if (rules.check(text + " file('/etc/passwd')") || rules.check(text + "\n`url` ('x')")) {
        std::abort();
    }
    return 0;
}
