#pragma once
// What a caller may do with videos: create, look, list, change, delete. What is not the caller's
// does not exist for him (not_found, "video_not_found").

#include "services/metadata/core/idempotency.hpp"

#include <functional>

namespace vora::metadata {

struct caller {
    std::string subject;
    bool admin = false;  // sees all
};

bool may_see(const caller& who, const video& v);

struct video_filter {
    std::optional<video_state> state;
    std::size_t page_size = 50;
    std::string page_token;  // empty: from the newest
};

struct video_page {
    std::vector<video> videos;
    std::string next_page_token;  // empty at the end
};

class videos {
 public:
    // `outbox_written` is called after each commit that left a message for the engine.
    videos(video_repository& repository, const clock_source& clock, std::chrono::seconds grant_ttl,
           std::function<void()> outbox_written);

    task<result<video>> create(new_video input, answer_keeper keeper = {});
    task<result<video>> get(caller who, video_id id);
    // invalid_argument ("bad_page_token").
    task<result<video_page>> list(caller who, video_filter filter);
    // `versions`: the change is made only if the video has one of them; else aborted
    // ("version_mismatch").
    task<result<video>> update(caller who, video_id id, video_patch patch,
                               std::optional<std::vector<std::int64_t>> versions);
    // CREATED and PROCESSING become FAILED ("cancelled") at once; the run is told after the commit.
    // failed_precondition ("not_cancellable") when it has ended already.
    task<result<video>> cancel(caller who, video_id id, answer_keeper keeper = {});
    // Nobody sees the video from now on; the saga that removes its objects is started. `versions`
    // as in update.
    task<result<void>> remove(caller who, video_id id,
                              std::optional<std::vector<std::int64_t>> versions = std::nullopt);

 private:
    video_repository& repository_;
    const clock_source& clock_;
    std::chrono::seconds grant_ttl_;
    std::function<void()> outbox_written_;
};

}  // namespace vora::metadata
