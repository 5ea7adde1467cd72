#pragma once
// Answers of /play that are no media, and what stands on every answer.

#include "libs/net/http.hpp"

#include <string>

namespace vora::gateway {

inline constexpr auto play_methods = "GET, HEAD, OPTIONS";

// A page of any origin may play, and may read why it cannot.
void open_to_all_origins(net::response& answer);

// A problem with the lifetime that its status has: 404 for two seconds in shared caches, the rest
// not at all; 5xx with Retry-After.
net::response refusal(const net::request& r, int status, const std::string& code,
                      const std::string& detail);
net::response unknown(const net::request& r);
net::response overloaded(const net::request& r);

task<net::response> answer_preflight(net::request& r);
task<net::response> refuse_method(net::request& r);
task<net::response> answer_unknown(net::request& r);

}  // namespace vora::gateway
