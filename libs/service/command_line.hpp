#pragma once

#include "libs/base/result.hpp"

#include <string>
#include <vector>

namespace vora::service {

struct command_line {
    bool help = false;
    bool version = false;
    bool check = false;              // look at the configuration, start nothing
    std::string config_file;         // empty: none
    std::vector<std::string> flags;  // "section.key=value"
};

// invalid_argument ("bad_command_line"): words for the one who typed it.
result<command_line> parse_command_line(int argc, const char* const* argv);

}  // namespace vora::service
