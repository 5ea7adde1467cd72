#pragma once
// What other services ask: the upload service's hook, the gateway's question (contracts/internal).

#include "libs/net/router.hpp"
#include "libs/obs/log.hpp"
#include "libs/obs/metrics.hpp"
#include "services/metadata/core/completion.hpp"

namespace vora::metadata {

class internal_api {
 public:
    internal_api(video_repository& repository, completion& uploads, const clock_source& clock,
                 std::string internal_secret, std::string hook_secret, obs::logger log,
                 obs::metrics& metrics);
    // The routes refer to this object.
    net::router routes();

 private:
    task<net::response> hook(net::request& r);
    task<net::response> playback(net::request& r);

    video_repository& repository_;
    completion& completion_;
    const clock_source& clock_;
    std::string internal_secret_;
    std::string hook_secret_;
    obs::logger log_;
    obs::counter& hooks_taken_;
    obs::counter& hooks_refused_;
};

}  // namespace vora::metadata
