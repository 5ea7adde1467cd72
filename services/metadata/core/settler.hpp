#pragma once
// The sweeps that need no notice: no video stays in a state that nothing will end any more, no
// bytes stay that nobody wants.

#include "services/metadata/core/completion.hpp"

#include <set>

namespace vora::metadata {

struct sweep_report {
    std::size_t seen = 0;
    std::size_t changed = 0;      // ended, or removed
    std::size_t unavailable = 0;  // to be looked at again
};

// Bounds of one sweep; what is beyond comes with the next.
inline constexpr std::size_t sweep_page = 100;
inline constexpr std::size_t sweep_pages_max = 10;

class settler {
 public:
    // `outbox_written` is called after each commit that left a message for the engine.
    settler(
        video_repository& repository, workflow_engine& engine, completion& uploads,
        const clock_source& clock, std::function<void()> outbox_written = [] {});

    // PROCESSING videos whose run is closed or unknown, their message being sent: FAILED. An
    // unknown run must be unknown in two sweeps: an engine that has just come up may not know its
    // runs yet.
    task<result<sweep_report>> settle_processing();
    // CREATED videos: finished uploads whose hook never came, and those that nothing can finish any
    // more.
    task<result<sweep_report>> settle_created();
    // Deletions whose run ended without the tombstone, or is unknown in two sweeps: started again
    // under the next attempt's id, without end, each after a longer pause (up to ten minutes).
    task<result<sweep_report>> settle_deleting();

 private:
    // True: the deletion was started again.
    task<result<bool>> settle_deletion(video v);
    // True: the run is gone, as far as two looks can say.
    bool is_lost(std::set<video_id>& missing, const video_id& id, const result<run_view>& run);

    // True: the video was ended.
    task<result<bool>> settle_run(video v);

    video_repository& repository_;
    workflow_engine& engine_;
    completion& uploads_;
    const clock_source& clock_;
    std::function<void()> outbox_written_;
    video_id processing_from_;  // where the next sweep goes on
    video_id created_from_;
    video_id deleting_from_;
    std::set<video_id> missing_;           // whose run was unknown when last looked at
    std::set<video_id> missing_deletion_;  // the same of the run that deletes
};

// Has the upload service remove what is surplus, and the sources of videos that were settled
// `retention` ago.
class raw_collector {
 public:
    raw_collector(video_repository& repository, upload_service& uploads, const clock_source& clock,
                  std::chrono::seconds retention);
    task<result<sweep_report>> collect();

 private:
    video_repository& repository_;
    upload_service& uploads_;
    const clock_source& clock_;
    std::chrono::seconds retention_;
};

// What a closed (or unknown: nullopt) run that did not end its video means for it.
video_failure failure_of_run(const std::optional<run_view>& run);

}  // namespace vora::metadata
