#pragma once
// The last step, and its undoing.

#include "contracts/activities/media.hpp"
#include "libs/blob/blob.hpp"
#include "services/worker/core/failure.hpp"
#include "services/worker/core/ports.hpp"

namespace vora::worker {

// Checks that every object of the renditions is there, then writes master.m3u8: a master never
// names what is missing. Failures: output_missing, output_conflict; retryable: storage_unavailable
// cancelled.
task<media_result<>> publish_master(blob::reader& processed_reader, blob::writer& processed,
                                    contracts::publish_input in, attempt& a);

// Removes everything under the prefix, in the processed bucket only. bad_prefix for what is none.
task<media_result<>> remove_outputs(blob::remover& processed, contracts::cleanup_input in);

}  // namespace vora::worker
