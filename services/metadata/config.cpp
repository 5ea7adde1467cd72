#include "services/metadata/config.hpp"

namespace vora::metadata {

void config::bind(vora::config::schema& schema) {
    schema.add("metadata.database", &database,
               "where videos are kept: sqlite:PATH or postgresql://USER:PASSWORD@HOST:PORT/DB");
    schema.add("metadata.database_connections", &database_connections,
               "connections to PostgreSQL, and one that listens", 1);
    schema.add("metadata.upload_grant_ttl_s", &upload_grant_ttl,
               "how long a new video waits for its upload to begin");
    schema.add("metadata.settle_interval_s", &settle_interval,
               "how often videos whose run or upload ended without a word are looked for");
    schema.add("metadata.idempotency_ttl_s", &idempotency_ttl,
               "how long the answer to a request with an Idempotency-Key is kept");
    schema.add("metadata.grpc_listen", &grpc_listen, "address of gRPC; port 0 = any free one");
    schema.add("limits.duration_max_s", &duration_max_s, "longest input in seconds", 1);
    schema.add("limits.pixels_max", &pixels_max, "most pixels of a frame", 1);
    schema.add("limits.cpu_factor_max", &cpu_factor_max,
               "CPU seconds of encoding per second of input; 0 = no limit");
    schema.add("workflow.retry_budget_s", &retry_budget_s,
               "how long a step of processing is tried again when something it needs is away", 0);
    schema.add("raw.retention_s", &raw_retention,
               "how long uploaded originals are kept after processing has ended");
}

void config::bind_public_urls(vora::config::schema& schema) {
    schema.add("public_urls.api", &public_api_url, "public base URL of the API");
    schema.add("public_urls.upload", &public_upload_url, "public base URL of uploads");
    schema.add("public_urls.play", &public_play_url, "public base URL of playback");
}

}  // namespace vora::metadata
