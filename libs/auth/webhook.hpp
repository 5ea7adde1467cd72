#pragma once
// Standard Webhooks 1.0: webhook-id, webhook-timestamp, webhook-signature ("v1," + base64
// HMAC-SHA256 over "id.timestamp.body").

#include "libs/base/clock.hpp"
#include "libs/base/result.hpp"

#include <string>
#include <string_view>

namespace vora::auth {

std::string sign_webhook(std::string_view secret, std::string_view id, timestamp sent,
                         std::string_view body);
// `signatures` is the header: space-separated, any of them may match. The timestamp may be off by 5
// min. unauthenticated: "webhook_bad_signature", "webhook_too_old".
result<void> verify_webhook(std::string_view secret, std::string_view id,
                            std::string_view timestamp_text, std::string_view signatures,
                            std::string_view body, timestamp now);

}  // namespace vora::auth
