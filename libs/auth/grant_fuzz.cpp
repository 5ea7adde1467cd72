// Any bytes as a grant: none verifies but what was signed.
#include "libs/auth/grant.hpp"
#include "libs/auth/webhook.hpp"

#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const auto keys = vora::auth::grant_keys::for_tests();
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const vora::timestamp now{vora::seconds(1'800'000'000)};
    if (vora::auth::verify_upload_grant(keys, text, now) ||
        vora::auth::verify_playback_grant(keys, text, "v", now)) {
        __builtin_trap();
    }
    // A grant for whatever the bytes are reads back as the same.
    if (size <= 256) {
        const vora::auth::playback_grant play{std::string(text), now + vora::seconds(size + 1), 0};
        const auto read =
            vora::auth::verify_playback_grant(keys, vora::auth::sign(keys, play), text, now);
        if (!read || read->expires != play.expires) {
            __builtin_trap();
        }
    }
    (void)vora::auth::verify_webhook("secret", "id", text, text, "body", now);
    return 0;
}
