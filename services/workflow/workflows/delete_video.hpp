#pragma once

#include "contracts/activities/workflows.hpp"
#include "libs/durable/workflow/workflow.hpp"

namespace vora::workflow {

// Stops the ingest run, removes outputs, uploads and at last the row: every step can be run again,
// and none is given up. The API shows the video as gone before this begins.
durable::workflow<durable::outcome<>> delete_video(durable::context& ctx,
                                                   contracts::delete_input in);

}  // namespace vora::workflow
