#pragma once
// The changes that a client may ask for under an idempotency key: what REST and gRPC call for them.
// The key is nullopt when the client gave none. Errors: those of the change, and of idempotency
// (idempotency.hpp).

#include "services/metadata/core/completion.hpp"

namespace vora::metadata {

class commands {
 public:
    commands(videos& all, completion& uploads, idempotency& once);

    // `input.owner` is the caller.
    task<result<change_answer>> create(new_video input, std::optional<std::string> key);
    task<result<change_answer>> complete(caller who, video_id id, upload_id upload,
                                         std::optional<std::string> key);
    task<result<change_answer>> cancel(caller who, video_id id, std::optional<std::string> key);

 private:
    videos& videos_;
    completion& completion_;
    idempotency& once_;
};

}  // namespace vora::metadata
