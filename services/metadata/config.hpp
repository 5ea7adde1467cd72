#pragma once
// Defaults are the embedded mode; secrets and internal addresses are filled in by whoever composes.

#include "libs/config/config.hpp"

#include <chrono>
#include <cstdint>
#include <string>

namespace vora::metadata {

struct config {
    std::string database = "sqlite:metadata.db";
    std::int64_t database_connections = 8;  // of PostgreSQL

    // Told to every run.
    std::int64_t duration_max_s = 12 * 3600;
    std::int64_t pixels_max = 8192LL * 4320;
    double cpu_factor_max = 0;  // 0 = no limit
    std::int64_t retry_budget_s = 3600;

    std::chrono::seconds upload_grant_ttl{86'400};
    std::chrono::seconds idempotency_ttl{86'400};
    std::chrono::seconds raw_retention{7 * 86'400};
    std::chrono::seconds settle_interval{10};

    std::string grpc_listen = "127.0.0.1:0";  // port 0 = any free one

    // Public bases; empty = where the request came to. Several services show them, so whoever
    // composes binds them once (bind_public_urls).
    std::string public_api_url;
    std::string public_upload_url;
    std::string public_play_url;

    // Not bound to keys.
    std::string http_origin;          // "http://127.0.0.1:8080": bases for gRPC where none are set
    std::string upload_internal_url;  // "http://127.0.0.1:41234"
    std::string internal_secret;
    std::string hook_secret;

    void bind(vora::config::schema& schema);
    void bind_public_urls(vora::config::schema& schema);
};

}  // namespace vora::metadata
