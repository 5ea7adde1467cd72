#pragma once
// "temporal://HOST:PORT/NAMESPACE": where Temporal is.

#include "libs/base/result.hpp"

#include <string>
#include <string_view>

namespace vora::durable {

struct temporal_address {
    std::string host_port;  // "127.0.0.1:7233"
    std::string namespace_name = "default";
};

// The port is 7233 and the namespace "default" where they are left out. invalid_argument
// ("bad_temporal_url"), with the reason in words.
result<temporal_address> parse_temporal_url(std::string_view url);

}  // namespace vora::durable
