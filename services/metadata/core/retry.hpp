#pragma once
// An operator's second try at a video whose processing failed for a reason that was not its
// input's: the platform's own trouble is over, the source is still kept. The video goes back to
// PROCESSING under the next generation, with its outbox row in the same transaction; the outputs of
// the failed one are never touched again. The one way out of FAILED, open to operators only.

#include "services/metadata/core/ports.hpp"

#include <functional>

namespace vora::metadata {

// FAILED -> PROCESSING. failed_precondition: "stale_generation", "video_deleted", "wrong_state",
// "not_retryable" (the same input would fail again, or somebody wanted it to end).
result<void> begin_again(video& v, std::int64_t generation, timestamp now);

class ingest_retry {
 public:
    ingest_retry(video_repository& repository, upload_service& uploads, const clock_source& clock,
                 std::function<void()> outbox_written);
    // The new generation. not_found ("video_not_found"); what begin_again says;
    // failed_precondition ("source_removed"); unavailable.
    task<result<std::int64_t>> retry(video_id id, std::int64_t generation);

 private:
    task<result<upload_view>> find_source(video v);

    video_repository& repository_;
    upload_service& uploads_;
    const clock_source& clock_;
    std::function<void()> outbox_written_;
};

}  // namespace vora::metadata
