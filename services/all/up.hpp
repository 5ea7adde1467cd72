#pragma once
// `vora up`: the composition root of the whole platform on one machine.

#include <string>
#include <vector>

namespace vora::all {

struct up_options {
    std::string data_dir = "./vora-data";
    std::string listen = "127.0.0.1:8080";
    bool open_browser = true;
    bool demo = false;                      // upload a sample, once per data directory
    std::vector<std::string> config_flags;  // "section.key=value"
};

// Runs until SIGINT or SIGTERM. Exit code: 0 after a clean stop, 1 when it could not start.
int run_up(const up_options& options);

}  // namespace vora::all
