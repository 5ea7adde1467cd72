#pragma once
// The built web page, compiled into the binary. The definition is made by the web build
// (services/dashboard/build_web.cmake).

#include "services/dashboard/core/site.hpp"

#include <span>

namespace vora::dashboard {

std::span<const page_file> embedded_files();

}  // namespace vora::dashboard
