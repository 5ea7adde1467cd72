#include "services/analytics/config.hpp"

#include "libs/config/config.hpp"

namespace vora::analytics {

void config::bind(vora::config::schema& s) {
    s.add("events.spool_max_bytes", &spool_max_bytes,
          "most bytes of events on disk; new events beyond it are dropped and counted", 16 * 1024);
    s.add("events.segment_bytes", &segment_bytes, "size of a spool file", 4096);
    s.add("events.flush_ms", &flush_ms, "how long events wait for company before they are stored");
    s.add("events.batch_rows", &batch_rows, "most events in one insert", 1);
    s.add("events.insert_deadline_ms", &insert_deadline_ms, "how long an insert may take", 1);
    s.add("events.compress", &compress,
          "send events to events.engine by gzip: half the bytes, two seconds of CPU for a million");
    s.add("events.retry_max_ms", &retry_max_ms, "longest pause between two attempts to store", 1);
}

}  // namespace vora::analytics
