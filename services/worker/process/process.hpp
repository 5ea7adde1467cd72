#pragma once

#include "libs/service/process.hpp"

namespace vora::worker {

// vora-worker: what the service may have when it runs alone, and nothing else.
service::program make_program();

}  // namespace vora::worker
