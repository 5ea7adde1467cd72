// Bodies from outside: never a crash, and what is taken keeps the rules.

#include "services/metadata/core/page_token.hpp"
#include "services/metadata/core/text_rules.hpp"
#include "services/metadata/handlers/input.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>

namespace vora::metadata {

static void check(std::string_view text) {
    if (const auto v = parse_create(text); v && check_title(v->title)) {
        std::abort();
    }
    if (const auto p = parse_patch(text); p && p->title && check_title(*p->title)) {
        std::abort();
    }
    const auto terms = parse_playback(text);
    if (terms && (terms->ttl.count() < 1 || terms->ttl.count() > playback_ttl_s_max ||
                  terms->max_height < 0 || terms->max_height > max_height_most)) {
        std::abort();
    }
    (void)parse_complete(text);
    (void)parse_hook(text);
    (void)parse_if_match(text);
    (void)decode_page_token({}, text);
}

}  // namespace vora::metadata

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    vora::metadata::check({reinterpret_cast<const char*>(data), size});
    return 0;
}
