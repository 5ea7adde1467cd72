#pragma once
// The worker, wired: polls the two media queues and runs what it finds. Stateless: everything it
// knows is in the task, the input and the store.

#include "libs/base/async.hpp"
#include "libs/blob/blob.hpp"
#include "libs/blob/free_space.hpp"
#include "libs/durable/worker/activity.hpp"
#include "libs/obs/log.hpp"
#include "libs/obs/metrics.hpp"
#include "services/worker/config.hpp"

#include <memory>
#include <string>

namespace vora::worker {

struct readiness {
    bool ready = false;
    std::string ffmpeg_version;  // empty: not found
};

class app {
 public:
    // raw: read only. processed: written once; its remover goes to the cleanup activity alone. The
    // raw and processed references may be one object. All outlive the app.
    app(executor ex, blocking_pool& pool, blob::reader& raw, blob::reader& processed_reader,
        blob::writer& processed, blob::remover& processed_remover, durable::activity_source& source,
        obs::logger log, obs::metrics& metrics, config c, blob::free_space* space = nullptr);
    ~app();

    // Ends strays of an earlier run, empties the scratch directory, then begins to poll.
    task<> start();
    // Tools are killed; their attempts end as cancelled and are tried again by whoever polls next.
    task<> stop();
    readiness ready() const;

 private:
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace vora::worker
