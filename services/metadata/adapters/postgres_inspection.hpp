#pragma once
// A look at the database in PostgreSQL from outside, for tools.

#include "libs/base/result.hpp"

#include <string>

namespace vora::metadata {

// Blocks, a few seconds at most, and changes nothing: repository_by_url.hpp says what it answers.
result<void> inspect_postgres(const std::string& url);

}  // namespace vora::metadata
