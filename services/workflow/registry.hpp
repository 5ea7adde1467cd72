#pragma once

#include "libs/durable/workflow/workflow.hpp"

namespace vora::workflow {

// All definitions, under the names in contracts/activities/workflows.hpp.
durable::workflow_registry registry();

}  // namespace vora::workflow
