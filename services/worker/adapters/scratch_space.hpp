#pragma once
// Job directories under one scratch directory that belongs to this worker alone.
//
// At start: processes whose working directory lies inside (tools of an earlier run that was killed)
// are ended first, then everything inside is removed. A job directory is removed on the blocking
// pool, at the latest when its last holder lets go.

#include "libs/base/async.hpp"
#include "services/worker/core/ports.hpp"

#include <string>

namespace vora::worker {

class scratch_space final : public workspace {
 public:
    scratch_space(blocking_pool& pool, std::string directory);

    // Once, before the first job. unavailable ("scratch_unavailable").
    task<result<void>> prepare();
    task<result<std::shared_ptr<job_directory>>> open_job() override;

 private:
    blocking_pool& pool_;
    std::string directory_;  // absolute
};

// Kills every process, but this one, whose working directory is `directory` or below, and waits
// until they are gone. Returns how many there were. Blocking.
int end_strays(const std::string& directory);

}  // namespace vora::worker
