#pragma once

#include "libs/service/process.hpp"

namespace vora::workflow {

// vora-workflow: runs the workflow definitions for Temporal. It touches no store, no database and
// no other service.
service::program make_program();

}  // namespace vora::workflow
