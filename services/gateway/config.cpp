#include "services/gateway/config.hpp"

#include "libs/config/config.hpp"

namespace vora::gateway {

void config::bind(vora::config::schema& s) {
    s.add("gateway.metadata_deadline_ms", &metadata_deadline_ms,
          "how long metadata may take to answer", 1);
    s.add("gateway.store_deadline_ms", &store_deadline_ms,
          "how long the store may take to the first byte; then 504", 1);
    s.add("gateway.store_read_deadline_ms", &store_read_deadline_ms,
          "how long the store may pause within an object; then the connection is cut", 1);
    s.add("gateway.stale_s", &stale,
          "how old an answer of metadata may be that is used while metadata is away");
    s.add("gateway.answers_max", &answers_max, "requests served at once; more get 503", 1);
    s.add("gateway.lookups_max", &lookups_max, "questions to metadata at once; more get 503", 1);
    s.add("gateway.cache_bytes", &cache_bytes,
          "memory for objects that several viewers want; 0 = each viewer reads the store", 0);
    s.add("cache.purge_urls", &purge_urls,
          "addresses of the shared caches in front, with commas; empty = there are none");
    s.add("cache.purge_secret", &purge_secret, "what they know a purge by");
    s.mark_secret("cache.purge_secret");
}

}  // namespace vora::gateway
