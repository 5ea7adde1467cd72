#include "services/metadata/core/commands.hpp"

namespace vora::metadata {

commands::commands(videos& all, completion& uploads, idempotency& once)
    : videos_(all), completion_(uploads), once_(once) {}

// The lambdas below are called while the request runs, so what they refer to is there; they are no
// coroutines themselves.

task<result<change_answer>> commands::create(new_video input, std::optional<std::string> key) {
    change_request request{
        input.owner, "create_video", std::move(key),
        fingerprint_of({input.title, input.description, to_string(input.visible)})};
    auto done = co_await once_.run(std::move(request), [&](answer_keeper keeper) {
        return videos_.create(input, std::move(keeper));
    });
    co_return done;
}

task<result<change_answer>> commands::complete(caller who, video_id id, upload_id upload,
                                               std::optional<std::string> key) {
    change_request request{who.subject, "complete_upload", std::move(key),
                           fingerprint_of({id.value, upload.value})};
    auto done = co_await once_.run(std::move(request), [&](answer_keeper keeper) {
        return completion_.notice(who, id, upload, std::move(keeper));
    });
    co_return done;
}

task<result<change_answer>> commands::cancel(caller who, video_id id,
                                             std::optional<std::string> key) {
    change_request request{who.subject, "cancel_video", std::move(key), fingerprint_of({id.value})};
    auto done = co_await once_.run(std::move(request), [&](answer_keeper keeper) {
        return videos_.cancel(who, id, std::move(keeper));
    });
    co_return done;
}

}  // namespace vora::metadata
