#pragma once
// AWS Signature Version 4 in the Authorization header. Pure: time and keys are arguments.

#include "libs/base/clock.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vora::blob {

using name_values = std::vector<std::pair<std::string, std::string>>;

// The payload is not part of the signature: the bytes need not be read before they are sent.
inline constexpr std::string_view unsigned_payload = "UNSIGNED-PAYLOAD";

struct sigv4_request {
    std::string method;
    std::string path;          // as on the wire: encoded, starts with '/'
    name_values query;         // not encoded, any order
    name_values headers;       // all that are signed: lower-case names, any order; with "host",
                               // "x-amz-date" and, for S3, "x-amz-content-sha256"
    std::string payload_hash;  // hex SHA-256 of the body, or unsigned_payload
};

// "20130524T000000Z"
std::string to_amz_date(timestamp t);
// Encoded and sorted as the signature wants it, which is also a good query to send.
std::string canonical_query(const name_values& query);
std::string canonical_request(const sigv4_request& r);

class sigv4_signer {
 public:
    sigv4_signer(std::string access_key, std::string secret_key, std::string region,
                 std::string service);

    // The value of Authorization. "x-amz-date" (or "date") of the request must tell the same time.
    std::string authorization(const sigv4_request& r, timestamp t);
    // The key of that day; the last one is kept.
    const std::string& signing_key(std::string_view day);

 private:
    std::string access_key_;
    std::string secret_key_;
    std::string region_;
    std::string service_;
    std::string key_day_;
    std::string key_;
};

}  // namespace vora::blob
