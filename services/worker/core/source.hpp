#pragma once
// An input, brought into a job directory and looked at by its first bytes.

#include "libs/base/async.hpp"
#include "libs/blob/blob.hpp"
#include "services/worker/core/failure.hpp"
#include "services/worker/core/ports.hpp"
#include "services/worker/core/sniff.hpp"

#include <memory>
#include <string>

namespace vora::worker {

struct source_file {
    std::uint64_t size_bytes = 0;
    sniffed_format format;
};

// Leaves the object in `directory` under input_file, read-only by agreement: it may be the very
// object of the store. Failures: input_empty, input_not_video, storage_unavailable.
task<media_result<source_file>> fetch_source(blob::reader& raw, blocking_pool& pool,
                                             std::string key, std::string directory);

}  // namespace vora::worker
