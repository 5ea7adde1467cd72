#pragma once
// A look at the database file from outside, for tools.

#include "libs/base/result.hpp"

#include <string>

namespace vora::metadata {

// Blocks. Can the service work with the file? not_found ("database_missing"), unavailable
// ("database_locked": somebody holds it for a second, "database_read_only",
// "database_unavailable"), failed_precondition ("database_too_new"), data_loss
// ("database_damaged").
result<void> inspect_database(const std::string& path);

}  // namespace vora::metadata
