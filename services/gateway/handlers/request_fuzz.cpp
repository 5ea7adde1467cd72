// What a client writes freely: the path under a video, conditions and ranges.
#include "services/gateway/core/media_path.hpp"
#include "services/gateway/handlers/conditional.hpp"

#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace std::string_literals;
    const std::string text(reinterpret_cast<const char*>(data), size);
    const auto path = vora::gateway::parse_media_path(text);
    if (path && (text.find("..") != std::string::npos || text.size() > 64)) {
        __builtin_trap();
    }
    for (const std::uint64_t object_size : {std::uint64_t{0}, std::uint64_t{1000}, UINT64_MAX}) {
        const auto v =
            vora::gateway::evaluate({{}, {}, {}, "bytes="s + text}, "\"a\"", object_size);
        const bool inside = v.range.length > 0 && v.range.offset < object_size &&
                            v.range.length <= object_size - v.range.offset;
        if (v.status == 206 && !inside) {
            __builtin_trap();
        }
    }
    (void)vora::gateway::evaluate({text, text, text, text}, "\"a\"", 10);
    return 0;
}
