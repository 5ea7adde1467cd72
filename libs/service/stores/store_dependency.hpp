#pragma once

#include "libs/blob/blob.hpp"
#include "libs/service/health.hpp"

#include <string>

namespace vora::service {

// For /readyz: a store that answers a look at a key that is not there.
dependency store_dependency(std::string name, blob::reader& store);

}  // namespace vora::service
