#pragma once

#include "libs/service/process.hpp"

namespace vora::gateway {

// vora-gateway: what the service may have when it runs alone, and nothing else.
service::program make_program();

}  // namespace vora::gateway
