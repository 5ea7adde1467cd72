#pragma once

#include "libs/config/config.hpp"

#include <chrono>
#include <cstdint>
#include <string>

namespace vora::upload {

struct config {
    std::int64_t size_max_bytes = std::int64_t{256} << 30;
    std::chrono::seconds expiry{86'400};
    std::string object_name = "original.mp4";
    std::int64_t memory_bytes = 256 << 20;
    std::int64_t open_per_reference_max = 10;
    std::chrono::seconds tombstone{7 * 86'400};
    std::chrono::milliseconds hook_backoff_least{500};  // not a key

    // The wiring: a composition root that holds several services sets these itself.
    std::string hook_url;         // where ends are told; empty: nowhere
    std::string hook_secret;      // key of the hooks' signatures
    std::string internal_secret;  // empty: the internal routes refuse everybody
    std::string public_url;       // what Location starts with; empty: the origin of the request

    void bind(vora::config::schema& s);
    // invalid_argument ("bad_config_value"): what cannot work.
    result<void> check() const;
};

}  // namespace vora::upload
