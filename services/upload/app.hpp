#pragma once
// The upload service put together. See README.md.

#include "libs/auth/grant.hpp"
#include "libs/auth/jwt.hpp"
#include "libs/base/async.hpp"
#include "libs/base/clock.hpp"
#include "libs/blob/blob.hpp"
#include "libs/blob/free_space.hpp"
#include "libs/net/router.hpp"
#include "libs/obs/log.hpp"
#include "libs/obs/metrics.hpp"
#include "services/upload/config.hpp"

#include <memory>

namespace vora::upload {

class app {
 public:
    // The three views are of the one bucket of raw files. What is passed by reference outlives the
    // app.
    app(executor ex, blob::reader& reader, blob::writer& writer, blob::remover& remover,
        const auth::grant_keys& grants, auth::token_verifier tokens, const clock_source& clock,
        obs::logger log, obs::metrics& metrics, config c, blob::free_space* space = nullptr);
    ~app();
    app(const app&) = delete;

    // /files, /files/{upload_id}. The routes refer to this object.
    net::router public_routes();
    // /internal/uploads, /internal/uploads/{upload_id}
    net::router internal_routes();

    // Puts in order what an earlier run left (again later, if the store is away), then sends hooks
    // and expires uploads in the background. invalid_argument: the configuration cannot work.
    task<result<void>> start();
    // After the servers have stopped. Nothing is lost by not calling it.
    task<> stop();

 private:
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace vora::upload
