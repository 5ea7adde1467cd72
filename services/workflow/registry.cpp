#include "services/workflow/registry.hpp"

#include "contracts/activities/workflows.hpp"
#include "services/workflow/workflows/delete_video.hpp"
#include "services/workflow/workflows/ingest_video.hpp"

namespace vora::workflow {

durable::workflow_registry make_registry() {
    durable::workflow_registry registry;
    registry.add(contracts::ingest_video, ingest_video);
    registry.add(contracts::delete_video, delete_video);
    return registry;
}

}  // namespace vora::workflow
