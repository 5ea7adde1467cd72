#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace vora::config {
class schema;
}

namespace vora::gateway {

struct config {
    std::string metadata_url;     // "http://127.0.0.1:PORT", metadata's internal listener; no key
    std::string internal_secret;  // shared by the services; bound by the composition root
    std::int64_t metadata_deadline_ms = 2000;
    std::int64_t store_deadline_ms = 4000;         // until the first byte
    std::int64_t store_read_deadline_ms = 10'000;  // between two pieces of a body
    // Not of the file: how often one reading of an object is begun anew where it broke off; 0 for a
    // store that does so itself.
    int store_resumes_max = 2;
    std::chrono::seconds stale{86'400};
    std::int64_t answers_max = 1024;
    std::int64_t lookups_max = 256;
    std::int64_t cache_bytes = 64 << 20;
    std::string purge_urls;  // of the shared caches in front; empty = there are none
    std::string purge_secret;

    void bind(vora::config::schema& s);
};

}  // namespace vora::gateway
