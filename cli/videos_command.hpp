#pragma once

#include <string>

namespace vora::cli {

struct videos_options {
    std::string data_dir;
    bool json = false;
    std::string state;  // list: only these
    std::string id;     // show, delete
};

int run_videos_list(const videos_options& options);
int run_videos_show(const videos_options& options);
int run_videos_delete(const videos_options& options);

}  // namespace vora::cli
