#pragma once
// What the workflows ask of metadata: the ends of a run, and the steps of a deletion. Each can be
// called again. failed_precondition means: never retry, the run has lost the video.

#include "services/metadata/core/ports.hpp"

namespace vora::metadata {

class processing {
 public:
    processing(video_repository& repository, upload_service& uploads, workflow_engine& engine,
               const clock_source& clock);

    task<result<void>> mark_ready(video_id id, std::int64_t generation, media_facts facts);
    // An unknown code is stored as "internal_error".
    task<result<void>> mark_failed(video_id id, std::int64_t generation, video_failure why);

    // Asks the ingest run to end; true: it has, or never was.
    task<result<bool>> stop_ingest(video_id id, std::int64_t generation);
    // Every upload of the video, those of the upload service's listing and those we know of.
    task<result<void>> delete_uploads(video_id id, std::int64_t generation);
    task<result<void>> finish_delete(video_id id, std::int64_t generation);

 private:
    using rule = std::function<result<transition>(video&)>;
    task<result<void>> change(video_id id, rule apply);
    task<result<void>> require_deleting(video_id id, std::int64_t generation);

    video_repository& repository_;
    upload_service& uploads_;
    workflow_engine& engine_;
    const clock_source& clock_;
};

}  // namespace vora::metadata
