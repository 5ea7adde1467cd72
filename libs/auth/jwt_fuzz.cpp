// Any bytes as a token, as a header and as claims: refused or read, never more.
#include "libs/auth/jwt_detail.hpp"

#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const auto verifier = [] {
        vora::auth::token_verifier v;
        // RFC 8037 appendix A's public key.
        const auto added = v.add_key(
            "-----BEGIN PUBLIC KEY-----\n"
            "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
            "-----END PUBLIC KEY-----\n",
            "k");
        if (!added) {
            __builtin_trap();
        }
        return v;
    }();
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const vora::timestamp now{vora::seconds(1'800'000'000)};
    if (verifier.verify(text, now)) {
        __builtin_trap();  // nobody holds the private key
    }
    (void)vora::auth::detail::read_header(text);
    const auto claims = vora::auth::detail::read_claims(text, now);
    if (claims && claims->expires <= now) {
        __builtin_trap();
    }
    const auto foreign = vora::auth::detail::read_foreign_claims(text, {}, now);
    if (foreign && foreign->expires <= now) {
        __builtin_trap();
    }
    (void)vora::auth::bearer_token(text);
    return 0;
}
