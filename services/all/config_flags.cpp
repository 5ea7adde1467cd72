#include "services/all/config_flags.hpp"

#include <CLI/CLI.hpp>

namespace vora::all {

std::vector<std::string> config_flags(const std::vector<std::string>& extras) {
    std::vector<std::string> flags;
    for (const auto& extra : extras) {
        const auto dot = extra.find('.');
        const auto equals = extra.find('=');
        if (!extra.starts_with("--") || dot == std::string::npos || equals == std::string::npos ||
            equals < dot) {
            throw CLI::ExtrasError({extra + " (configuration is written --section.key=value)"});
        }
        flags.push_back(extra.substr(2));
    }
    return flags;
}

}  // namespace vora::all
