#pragma once
// What the database says is there, for `vora fsck` and `vora doctor`. Not for services: they ask
// the service itself.

#include "libs/base/async.hpp"
#include "libs/base/clock.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace vora::metadata {

struct inventory_rendition {
    std::string name;
    std::int64_t segments = 0;
    std::int64_t size_bytes = 0;  // of all segments
};

struct inventory_video {
    std::string id;
    std::string state;  // "READY"
    std::int64_t generation = 1;
    bool deleted = false;        // or being deleted:
    bool tombstone = false;      // deletion has come to its end
    bool start_pending = false;  // PROCESSING, and the engine has not been told yet
    std::string output_prefix;   // of this generation
    std::string source_upload;   // empty while CREATED
    std::string source_status;   // as metadata knows it: "finished", "removed", ...
    timestamp updated_at;
    std::vector<inventory_rendition> renditions;
};

// "sqlite:PATH" -> PATH; invalid_argument.
result<std::string> database_path(const std::string& database_url);
// Blocks, and changes nothing. See adapters/repository_by_url.hpp for what it answers.
result<void> check_database(const std::string& database_url);
// The video that an upload's opaque reference means; nullopt when it is none of metadata's.
std::optional<std::string> video_of_upload_reference(const std::string& reference);

// Opens the database as the service does: of SQLite, no server may run; beside others that use
// PostgreSQL it is one more.
class inventory {
 public:
    inventory(executor ex, blocking_pool& pool, const std::string& database_url);
    ~inventory();

    // Blocks. Brings the schema up to date. invalid_argument for a URL that is none.
    result<void> open();
    // Not deleted, in this state, in order of id, after `after`.
    task<result<std::vector<inventory_video>>> in_state(std::string state, std::string after);
    // Deleted ones too.
    task<result<std::optional<inventory_video>>> find(std::string id);
    // A READY or PROCESSING video that cannot become what it claims: FAILED (internal_error). False
    // when it has moved on meanwhile.
    task<result<bool>> mark_lost(std::string id, std::int64_t generation, std::string detail,
                                 timestamp now);

 private:
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace vora::metadata
