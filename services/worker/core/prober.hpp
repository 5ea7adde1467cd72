#pragma once
// Looks at an input and says what it is. Decides nothing.

#include "contracts/activities/media.hpp"
#include "libs/base/async.hpp"
#include "libs/blob/blob.hpp"
#include "services/worker/core/failure.hpp"
#include "services/worker/core/ports.hpp"
#include "services/worker/core/source.hpp"

namespace vora::worker {

class prober {
 public:
    // All outlive it.
    prober(blob::reader& raw, media_tools& tools, workspace& places, blocking_pool& pool);

    // Failures: input_empty input_not_video input_damaged input_too_many_pixels
    // input_unsupported_codec; retryable: encoder_crashed storage_unavailable cancelled.
    task<media_result<contracts::probe_facts>> probe(contracts::probe_input in, attempt& a);

 private:
    task<media_result<contracts::probe_facts>> probe_in(const job_directory& place,
                                                        const contracts::probe_input& in,
                                                        attempt& a);
    task<media_result<>> scan_packets(const job_directory& place, const source_file& source,
                                      contracts::probe_facts& facts, attempt& a);

    blob::reader& raw_;
    media_tools& tools_;
    workspace& places_;
    blocking_pool& pool_;
};

// A bound for the tools that is safely above what the plan refuses by the exact size: decoders
// round up.
std::int64_t tool_pixels_max(std::int64_t pixels_max);

}  // namespace vora::worker
