#pragma once
// The activities of task queue "metadata" (contracts/activities/metadata.hpp). What the core
// refuses for good becomes a non-retryable failure of the same name.

#include "libs/durable/worker/activity.hpp"
#include "libs/obs/metrics.hpp"
#include "services/metadata/core/processing.hpp"

namespace vora::metadata {

// `core`, `log` and `metrics` outlive the registry.
durable::activity_registry make_activities(processing& core, obs::logger log,
                                           obs::metrics& metrics);

}  // namespace vora::metadata
