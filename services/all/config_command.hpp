#pragma once
// `vora config check|show`.

#include <string>
#include <vector>

namespace vora::all {

struct config_options {
    std::string data_dir = "./vora-data";
    bool json = false;
    std::vector<std::string> config_flags;
};

// Everything that is wrong, with its place. 1 when something is.
int run_config_check(const config_options& options);
// Every key with the value that counts and where it comes from; secrets are not shown.
int run_config_show(const config_options& options);
// Keys, defaults and meanings, for --help.
std::string config_keys_in_words();

}  // namespace vora::all
