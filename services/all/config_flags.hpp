#pragma once

#include <string>
#include <vector>

namespace vora::all {

// Flags that a verb does not know: "--section.key=value" are configuration ("section.key=value"),
// the rest throws CLI::ExtrasError.
std::vector<std::string> config_flags(const std::vector<std::string>& extras);

}  // namespace vora::all
