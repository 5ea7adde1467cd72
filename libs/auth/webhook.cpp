#include "libs/auth/webhook.hpp"

#include "libs/base/crypto.hpp"
#include "libs/base/encoding.hpp"

namespace vora::auth {

namespace {

constexpr auto age_max = 300s;
constexpr int signatures_max = 16;
constexpr std::int64_t unix_s_max = 253402300799;

// Secrets are handed around as "whsec_" + base64; any other text is its own bytes.
std::string key_of(std::string_view secret) {
    constexpr std::string_view prefix = "whsec_";
    if (secret.starts_with(prefix)) {
        const auto decoded = base64_decode(secret.substr(prefix.size()));
        if (decoded) {
            return *decoded;
        }
    }
    return std::string(secret);
}

std::string mac_of(std::string_view secret, std::string_view id, std::string_view sent_text,
                   std::string_view body) {
    std::string text;
    text.reserve(id.size() + sent_text.size() + body.size() + 2);
    text.append(id).append(".").append(sent_text).append(".").append(body);
    return base64_encode(hmac_sha256(key_of(secret), text));
}

}  // namespace

std::string sign_webhook(std::string_view secret, std::string_view id, timestamp sent,
                         std::string_view body) {
    const auto sent_text =
        std::to_string(std::chrono::floor<seconds>(sent).time_since_epoch().count());
    return "v1," + mac_of(secret, id, sent_text, body);
}

result<void> verify_webhook(std::string_view secret, std::string_view id,
                            std::string_view timestamp_text, std::string_view signatures,
                            std::string_view body, timestamp now) {
    const auto bad = fail(errc::unauthenticated, "webhook_bad_signature", "no signature matches");
    const auto sent_s = parse_uint(timestamp_text);
    if (!sent_s || *sent_s > unix_s_max || id.empty() || id.size() > 256 || secret.empty()) {
        return bad;
    }
    const std::string expected = mac_of(secret, id, timestamp_text, body);
    bool matched = false;
    for (int i = 0; i < signatures_max && !signatures.empty(); ++i) {
        const auto space = signatures.find(' ');
        const auto one = signatures.substr(0, space);
        signatures =
            space == std::string_view::npos ? std::string_view{} : signatures.substr(space + 1);
        matched |= one.starts_with("v1,") && equal_constant_time(one.substr(3), expected);
    }
    if (!matched) {
        return bad;
    }
    const timestamp sent{seconds(*sent_s)};
    if (sent > now + age_max || sent < now - age_max) {
        return fail(errc::unauthenticated, "webhook_too_old", "the timestamp is off by over 5 min");
    }
    return {};
}

}  // namespace vora::auth
