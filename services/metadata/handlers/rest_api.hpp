#pragma once
// REST: /v1/videos. Checks who and what, calls the core, renders.

#include "libs/net/router.hpp"
#include "libs/obs/log.hpp"
#include "libs/obs/metrics.hpp"
#include "services/metadata/core/completion.hpp"
#include "services/metadata/core/progress.hpp"
#include "services/metadata/handlers/authentication.hpp"
#include "services/metadata/handlers/video_json.hpp"

namespace vora::metadata {

struct public_urls {
    std::string upload;  // empty: where the request came to
    std::string play;
    std::string api{};
};

class rest_api {
 public:
    rest_api(videos& all, completion& uploads, progress_reader& progress, authenticator& who,
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
    task<net::response> playback(net::request& r);

    url_bases bases(const net::request& r) const;
    task<net::response> answer(net::request& r, int status, video v);

    videos& videos_;
    completion& completion_;
    progress_reader& progress_;
    authenticator& who_;
    const auth::grant_keys& keys_;
    const clock_source& clock_;
    public_urls urls_;
    obs::logger log_;
    obs::counter& created_;
    obs::counter& deleted_;
};

// An error of the core as an answer: 412 for a missed If-Match, Retry-After with 503.
net::response problem_of(const net::request& r, const error& e);

}  // namespace vora::metadata
