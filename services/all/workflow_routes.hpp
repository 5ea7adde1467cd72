#pragma once
// The workflow engine as an operator sees it, on the admin listener, for `vora workflows`:
//
//   GET  /workflows?status=&prefix=&page_size=&page_token=  newest first -> {workflows,
//   next_page_token} GET  /workflows/{id}           one run, with what it waits for GET
//   /workflows/{id}/history   its events POST /workflows/{id}/retry     a failed ingest once more
//   -> 202 {workflow_id} of the new run
//
// Every request carries an admin token.

#include "libs/auth/jwt.hpp"
#include "libs/base/clock.hpp"
#include "libs/net/router.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace vora::durable {
class embedded_engine;
}

namespace vora::all {

class workflow_routes {
 public:
    // Tries a FAILED video again; its new generation.
    using retry_ingest =
        std::function<task<result<std::int64_t>>(std::string video_id, std::int64_t generation)>;
    // All outlive it.
    workflow_routes(durable::embedded_engine& engine, auth::token_verifier verifier,
                    const clock_source& clock, retry_ingest retry);
    // The routes refer to this object.
    net::router routes();

 private:
    task<net::response> list(net::request& r);
    task<net::response> show(net::request& r);
    task<net::response> history(net::request& r);
    task<net::response> retry(net::request& r);

    durable::embedded_engine& engine_;
    auth::token_verifier verifier_;
    const clock_source& clock_;
    retry_ingest retry_;
};

}  // namespace vora::all
