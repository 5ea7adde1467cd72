#pragma once
// How uploads end a video's CREATED state. News of an upload come by the client's notice, by the
// upload service's hook and by the settler's own looking, in any order and any number of times; the
// upload service is always asked what is true. The first finished upload wins; the others become
// surplus.

#include "services/metadata/core/videos.hpp"

#include <functional>
#include <span>

namespace vora::metadata {

struct upload_event {
    upload_status status = upload_status::finished;  // finished, expired, terminated
    upload_id id;
    std::string reference;
};

// What a CREATED video's uploads, all of them, mean for it.
struct uploads_verdict {
    enum class kind { wait, complete, give_up };
    kind what = kind::wait;
    upload_view winner;  // complete
    video_failure why;   // give_up
};
// `last`: the one that ended last, if known; else the listing's last.
uploads_verdict judge_uploads(const video& v, std::span<const upload_view> uploads,
                              std::optional<upload_status> last, timestamp now);

class completion {
 public:
    // `outbox_written` and `surplus_found` are called after the commit that made it so.
    completion(video_repository& repository, upload_service& uploads, const clock_source& clock,
               std::function<void()> outbox_written, std::function<void()> surplus_found);

    // The client's notice. The video as it is then; a notice that comes before the last byte is
    // remembered. not_found ("video_not_found", "upload_not_found"), unavailable.
    task<result<video>> notice(caller who, video_id id, upload_id upload,
                               answer_keeper keeper = {});
    // The hook. Success: heard, also when it means nothing to us. unavailable: to be sent again.
    task<result<void>> hook(upload_event event);
    // Looks by itself: what becomes of a CREATED video.
    task<result<void>> settle(video v);

 private:
    // Stores what the upload service said of one upload of this video, and what follows from it.
    task<result<void>> record(video_id id, upload_view u, answer_keeper keeper = {});
    task<result<void>> settle_after(video_id id, std::optional<upload_view> ended);
    task<result<void>> give_up(video_id id, video_failure why);

    video_repository& repository_;
    upload_service& uploads_;
    const clock_source& clock_;
    std::function<void()> outbox_written_;
    std::function<void()> surplus_found_;
};

}  // namespace vora::metadata
