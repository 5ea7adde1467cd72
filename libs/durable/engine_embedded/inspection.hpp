#pragma once
// The engine's file from outside, for tools: no engine runs, or another process's does. All block.

#include "libs/durable/engine_embedded/engine.hpp"

#include <string>
#include <vector>

namespace vora::durable {

// Can the engine work with the file? not_found ("database_missing"), unavailable
// ("database_locked": somebody holds it for a second, "database_read_only",
// "database_unavailable"), failed_precondition ("database_too_new"), data_loss
// ("database_damaged").
result<void> check_engine_file(const std::string& path);

// Nothing is resumed and nothing written.
result<std::vector<run_description>> list_runs_of(const std::string& path, const run_query& q);

}  // namespace vora::durable
