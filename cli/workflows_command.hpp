#pragma once
// `vora workflows`: the engine's runs, over the admin address of the server that holds DIR.

#include <string>

namespace vora::cli {

struct workflows_options {
    std::string data_dir = "./vora-data";
    bool json = false;
    std::string status;  // list: only these
    std::string video;   // list: only this video's
    int count_max = 50;  // list
    std::string id;      // show, history, retry
};

int run_workflows_list(const workflows_options& options);
int run_workflows_show(const workflows_options& options);
int run_workflows_history(const workflows_options& options);
int run_workflows_retry(const workflows_options& options);

}  // namespace vora::cli
