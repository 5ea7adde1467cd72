#pragma once
// REST: /v1/videos. Checks who and what, calls the core, renders.

#include "libs/net/router.hpp"
#include "libs/obs/log.hpp"
#include "libs/obs/metrics.hpp"
#include "services/metadata/core/commands.hpp"
#include "services/metadata/core/progress.hpp"
#include "services/metadata/handlers/authentication.hpp"
#include "services/metadata/handlers/video_json.hpp"

namespace vora::metadata {

struct bad_input;

struct public_urls {
    std::string upload;  // empty: where the request came to
    std::string play;
    std::string api{};
};

class rest_api {
 public:
    rest_api(videos& all, commands& changes, progress_reader& progress, authenticator& who,
             const auth::grant_keys& keys, const clock_source& clock, public_urls urls,
             obs::logger log, obs::metrics& metrics);
    // The routes refer to this object.
    net::router routes();

 private:
    task<net::response> create(net::request& r);
    task<net::response> list(net::request& r);
    task<net::response> get(net::request& r);
    task<net::response> update(net::request& r);
    task<net::response> remove(net::request& r);
    task<net::response> complete(net::request& r);
    task<net::response> cancel(net::request& r);
    task<net::response> playback(net::request& r);

    // What a request has before its own words are read: a caller with the scope, the id of the
    // path if there is one, the body of a POST or PATCH. Or the answer to send.
    struct admitted {
        caller who;
        video_id id;
        std::string body;
    };
    task<std::expected<admitted, net::response>> admit(net::request& r, auth::scope needed);
    // Bad words about a video: 400, but whether the video is the caller's comes first.
    task<net::response> refuse_words(net::request& r, admitted in, const bad_input& why);

    url_bases bases(const net::request& r) const;
    task<net::response> answer(net::request& r, int status, video v);
    task<net::response> answer(net::request& r, int status, change_answer done);

    videos& videos_;
    commands& changes_;
    progress_reader& progress_;
    authenticator& who_;
    const auth::grant_keys& keys_;
    const clock_source& clock_;
    public_urls urls_;
    obs::logger log_;
    obs::counter& created_;
    obs::counter& deleted_;
    obs::counter& cancelled_;
    obs::counter& replayed_;
};

// An error of the core as an answer: 412 for a missed If-Match, 422 for a reused idempotency key,
// Retry-After with 503 and while the first request under a key runs.
net::response problem_of(const net::request& r, const error& e);

}  // namespace vora::metadata
