#pragma once
// `vora fsck` and `vora doctor` on the data directory of `./vora stack up`: PostgreSQL and S3 by
// what DIR/stack.env says, which whoever may read it may do everything with. Beside the stack's
// processes, which go on meanwhile. Only in a build with the real systems.

#include "libs/base/result.hpp"
#include "services/all/doctor_checks.hpp"
#include "services/all/fsck.hpp"

#include <map>
#include <string>

namespace vora::all {

// DIR is a stack's.
bool is_stack(const std::string& dir);

// NAME=value lines of DIR/stack.env. not_found, invalid_argument ("bad_stack_env").
result<std::map<std::string, std::string>> read_stack_env(const std::string& dir);

// As run_fsck().
int run_stack_fsck(const fsck_options& options);

// The stores, the processes of DIR/stack.json, and what /readyz says. Sets the facts of the server.
diagnoses check_stack(doctor_facts& facts);

}  // namespace vora::all
