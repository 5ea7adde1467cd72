#pragma once
// `vora doctor`: looks at everything `vora up` needs and says what is wrong, why, and what to do.
// Works beside a running server and without one, and changes nothing.

#include <string>
#include <vector>

namespace vora::all {

struct doctor_options {
    std::string data_dir = "./vora-data";
    std::string listen = "127.0.0.1:8080";
    bool json = false;
    std::vector<std::string> config_flags;
};

// 0: all well; 1: findings.
int run_doctor(const doctor_options& options);

}  // namespace vora::all
