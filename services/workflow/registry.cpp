#include "services/workflow/registry.hpp"

#include "contracts/activities/workflows.hpp"
#include "services/workflow/workflows/delete_video.hpp"
#include "services/workflow/workflows/ingest_video.hpp"

namespace vora::workflow {

durable::workflow_registry registry() {
    durable::workflow_registry all;
    all.add(contracts::ingest_video, ingest_video);
    all.add(contracts::delete_video, delete_video);
    return all;
}

}  // namespace vora::workflow
