#pragma once

#include "libs/service/process.hpp"

namespace vora::metadata {

// vora-metadata: what the service may have when it runs alone, and nothing else.
service::program make_program();

}  // namespace vora::metadata
