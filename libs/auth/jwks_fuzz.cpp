// Any bytes as a key set: refused, or keys that check nothing that nobody signed.
#include "libs/auth/jwks.hpp"

#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto keys = vora::auth::parse_jwks(text);
    if (keys) {
        for (const auto& [kid, key] : *keys) {
            if (kid.empty()) {
                __builtin_trap();
            }
            (void)key.verify("text", std::string(64, 'x'));
        }
    }
    return 0;
}
