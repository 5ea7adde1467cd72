#pragma once
// Write-once against what an attempt before may have left.

#include "libs/blob/blob.hpp"
#include "services/worker/core/failure.hpp"
#include "services/worker/core/ts_segment.hpp"

#include <string>

namespace vora::worker {

// Reads a segment from the store, in constant memory. output_conflict if it is none.
task<media_result<segment_facts>> examine_stored(blob::reader& from, std::string key);

// Success also when the same text is there already; another text is output_conflict.
task<media_result<>> put_text_once(blob::writer& to, blob::reader& from, std::string key,
                                   std::string text);

}  // namespace vora::worker
