#pragma once

#include "contracts/activities/workflows.hpp"
#include "libs/durable/workflow/workflow.hpp"

#include <string>

namespace vora::workflow {

// Uploaded file -> READY or FAILED. Succeeds when the video is READY; else fails with the reason,
// after the outputs were removed and the video was marked FAILED.
durable::workflow<durable::outcome<>> ingest_video(durable::context& ctx,
                                                   contracts::ingest_input in);

// What the API shows for a failure: one of its codes, "internal_error" for what no user caused.
std::string failure_code(const durable::failure& f);

}  // namespace vora::workflow
