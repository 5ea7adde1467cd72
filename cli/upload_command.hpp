#pragma once

#include <string>

namespace vora::cli {

struct upload_options {
    std::string data_dir;
    std::string file;
    std::string title;  // default: the file's name
    std::string description;
    bool is_public = false;
    bool wait = false;
    bool json = false;
};

// Exit code: 0, or 1 when the upload failed or (with wait) the video ended FAILED.
int run_upload(const upload_options& options);

}  // namespace vora::cli
