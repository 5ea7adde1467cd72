#pragma once
// The rules of an upload's life. Protocol-free: handlers translate. One loop.

#include "libs/base/async.hpp"
#include "libs/base/clock.hpp"
#include "services/upload/core/appender.hpp"
#include "services/upload/core/byte_budget.hpp"
#include "services/upload/core/hook_outbox.hpp"
#include "services/upload/core/ports.hpp"
#include "services/upload/core/upload.hpp"
#include "services/upload/core/upload_files.hpp"
#include "services/upload/core/upload_index.hpp"
#include "services/upload/core/upload_locks.hpp"

#include <chrono>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace vora::upload {

struct upload_limits {
    std::uint64_t size_max_bytes = std::uint64_t{256} << 30;
    std::size_t open_per_reference_max = 10;
    std::chrono::seconds expiry{86'400};
    std::chrono::seconds tombstone{7 * 86'400};
    std::uint64_t memory_bytes = 256 << 20;
    std::string object_name = "original.bin";
    // How long a request waits for the one that holds its upload.
    std::chrono::milliseconds lock_wait{15'000};
    bool hooks = true;  // false: nobody wants to be told
    append_settings append;
};

struct new_upload {
    std::uint64_t length = 0;
    std::string metadata;
};

class upload_service {
 public:
    upload_service(executor ex, upload_files& files, hook_sink& sink, const clock_source& clock,
                   observer& observed, upload_limits limits, hook_backoff backoff,
                   blob::free_space* space = nullptr);

    // Before the first request: fills the index, finishes what a crash left half-done, finds hooks
    // that are still to be sent.
    task<result<void>> recover();

    // `body` may be null. An upload exists when this succeeds, whatever became of its first bytes:
    // the offset says how many are durable. Errors: out_of_range ("upload_too_large"),
    // resource_exhausted
    // ("too_many_uploads"; "insufficient_storage": the disk is nearly full, or the file is larger
    // than what is left), the store's.
    task<result<upload_view>> create(access who, new_upload wanted, byte_source* body);

    // What all three answer: not_found ("no_such_upload") also for somebody else's; not_found
    // ("upload_expired", "upload_terminated"); data_loss ("upload_damaged"); unavailable
    // ("upload_busy", "storage_unavailable"); resource_exhausted ("store_full").
    //
    // The offset equals the length only when the object exists with that size.
    task<result<upload_view>> head(access who, upload_id id);
    // Also failed_precondition ("upload_offset_mismatch"), out_of_range ("body_beyond_length"),
    // aborted ("upload_taken_over"), resource_exhausted ("insufficient_storage"), the source's
    // errors. What was received stays, whatever is answered.
    task<result<upload_view>> append(access who, upload_id id, std::uint64_t offset,
                                     byte_source& body);
    // Also permission_denied ("upload_finished").
    task<result<void>> terminate(access who, upload_id id);

    // For other services of the installation. Disturbs no writer.
    task<result<upload_view>> inspect(upload_id id);
    std::vector<upload_id> with_reference(const std::string& reference) const;
    // Bytes and state, idempotent.
    task<result<void>> remove(upload_id id);

    // Expires what is over, removes old tombstones, tries again to finish what could not be
    // finished.
    task<> sweep();
    hook_outbox& hooks() { return hooks_; }
    const upload_limits& limits() const { return limits_; }
    std::size_t size() const { return index_.size(); }

 private:
    using lock = upload_locks::lease;

    task<result<lock>> take_lock(upload_id id);
    // Before the lock: a stranger must not stop the writer.
    task<result<void>> check_visible(access who, upload_id id);
    // Under the lock: reads the upload; ends it when its time is over.
    task<result<upload_snapshot>> load_live(upload_id id);
    task<result<upload_view>> append_shielded(upload_id id, std::uint64_t offset, byte_source& body,
                                              stop_request& stop);
    task<result<upload_view>> append_locked(upload_id id, std::uint64_t offset, byte_source& body,
                                            stop_request& stop);
    task<result<void>> receive(upload_snapshot& s, byte_source& body, stop_request& stop);
    result<void> check_new(const access& who, const new_upload& wanted,
                           const byte_source* body) const;
    task<result<void>> check_room(std::uint64_t length);
    task<result<upload_view>> fill_new(upload_info info, byte_source* body, stop_request& stop);

    // All bytes are durable: makes the object and tells. Idempotent.
    task<result<void>> finish(upload_snapshot& s);
    task<result<void>> make_object(upload_snapshot& s);
    // Ends an open upload without an object: marker, record, then the bytes.
    task<result<void>> end(upload_info info, upload_state state);
    task<> drop_bytes(upload_info info);
    struct found_keys {
        upload_id id;
        bool info = false;
        bool marker = false;
        bool tail = false;
    };
    task<result<void>> recover_one(found_keys found);
    task<result<void>> recover_open(upload_info info, bool has_marker);
    task<result<void>> expire(upload_id id);
    task<result<void>> retry_finish(upload_id id);
    task<result<void>> remove_tombstone(upload_id id);
    void note_failure(const upload_id& id, const result<void>& r);
    append_resources resources();

    executor executor_;
    upload_files& files_;
    const clock_source& clock_;
    observer& observed_;
    upload_limits limits_;
    blob::free_space* space_;
    byte_budget assembling_;
    byte_budget receiving_;
    upload_locks locks_;
    upload_index index_;
    hook_outbox hooks_;
    std::set<upload_id> unfinished_;  // full, but the store refused the last step
};

}  // namespace vora::upload
