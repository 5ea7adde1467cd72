#pragma once
// A short-lived child of a command line tool (not of a server: this blocks). No shell.

#include "libs/base/result.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace vora::all {

struct program_exit {
    int code = 0;        // 128 + signal when it was killed
    std::string output;  // stdout, at most a MiB
};

// The path of NAME by PATH, or NAME itself when it has a slash; empty: no such program.
std::string which_program(const std::string& name);
// unavailable ("cannot_run"); deadline_exceeded: it was killed.
result<program_exit> run_program(const std::vector<std::string>& words,
                                 std::chrono::milliseconds limit);

}  // namespace vora::all
