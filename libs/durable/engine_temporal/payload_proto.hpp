#pragma once
// JSON text of ours <-> Temporal's payloads. One value, encoding json/plain, so that Temporal's own
// tools and other SDKs show it; empty text is no payload at all.

#include "libs/base/result.hpp"

#include <temporal/api/common/v1/message.pb.h>

#include <string>

namespace vora::durable {

temporal::api::common::v1::Payload payload_of(std::string json);
// Leaves `out` without payloads when the text is empty.
void to_payloads(std::string json, temporal::api::common::v1::Payloads& out);

// invalid_argument ("payload_not_json"): of another encoding, or several values.
result<std::string> json_of(const temporal::api::common::v1::Payload& p);
result<std::string> json_of(const temporal::api::common::v1::Payloads& p);

}  // namespace vora::durable
