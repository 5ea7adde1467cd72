#pragma once

#include <cstdint>
#include <string>

namespace vora::config {
class schema;
}

namespace vora::analytics {

struct config {
    std::string spool_dir;  // "DIR/events"; bound by the composition root
    std::int64_t spool_max_bytes = std::int64_t{1} << 30;
    std::int64_t segment_bytes = 8 << 20;
    std::int64_t flush_ms = 300;
    std::int64_t batch_rows = 50'000;
    std::int64_t insert_deadline_ms = 30'000;
    std::int64_t retry_max_ms = 3'000;
    bool compress = false;

    void bind(vora::config::schema& s);
};

}  // namespace vora::analytics
