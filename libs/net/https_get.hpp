#pragma once
// One GET over TLS, for the rare moments when we are the client of somebody else's public server
// (an identity provider's keys). Blocking: call it on a blocking_pool. The certificate must be
// valid for the host; redirects are not followed.

#include "libs/base/result.hpp"
#include "libs/net/http.hpp"

#include <chrono>
#include <string>

namespace vora::net {

struct https_request {
    std::string url;      // "https://HOST[:PORT]/path?query"
    std::string ca_file;  // PEM; empty: the system's
    std::chrono::milliseconds deadline{5'000};
    std::size_t body_bytes_max = 1 << 20;
};

struct https_answer {
    int status = 0;
    headers fields;
    std::string body;
};

// invalid_argument ("bad_url"), unavailable ("connect_failed", "tls_failed", "connection_lost",
// "bad_answer"), deadline_exceeded, resource_exhausted ("answer_too_large").
result<https_answer> https_get(const https_request& r);

}  // namespace vora::net
