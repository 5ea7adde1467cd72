#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace vora::config {
class schema;
}

namespace vora::dashboard {

struct config {
    // How long a browser stays signed in, and how long an unused sign-in link works.
    std::chrono::seconds session_ttl{std::chrono::days(30)};
    std::chrono::seconds link_ttl{std::chrono::days(1)};
    // Refused sign-ins per address and minute before further ones are answered with 429.
    std::int64_t attempts_per_minute = 20;
    // Public base URLs; empty = the origin of the page itself. The page's policy names them, so
    // that it may upload to and play from them. Set by who composes: other services bind the same
    // keys.
    std::string public_api_url;
    std::string public_upload_url;
    std::string public_play_url;

    // Where the API is asked whose a video is: "http://HOST:PORT". Set by who composes.
    std::string metadata_url;
    // How long the event store may take for an answer.
    std::int64_t query_timeout_ms = 1'500;

    void bind(vora::config::schema& schema);
};

}  // namespace vora::dashboard
