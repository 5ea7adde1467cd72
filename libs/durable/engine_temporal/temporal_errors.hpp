#pragma once
// The one table from Temporal's answers to our errors. What the server says goes into the detail,
// which is for operators.

#include "libs/base/result.hpp"
#include "libs/durable/engine_temporal/temporal_channel.hpp"

namespace vora::durable {

// Only for answers that are not ok. unavailable: try again with backoff.
error error_of(const call_answer& a);

}  // namespace vora::durable
