#include "services/all/stack_tools.hpp"

#include <filesystem>
#include <fstream>

namespace vora::all {

namespace {

std::string path_of(const std::string& dir) {
    return dir + "/stack.env";
}

}  // namespace

bool is_stack(const std::string& dir) {
    std::error_code unreadable;
    return std::filesystem::exists(path_of(dir), unreadable);
}

result<std::map<std::string, std::string>> read_stack_env(const std::string& dir) {
    std::ifstream in(path_of(dir));
    if (!in) {
        return fail(errc::not_found, "no_stack_env", path_of(dir) + " cannot be read");
    }
    std::map<std::string, std::string> values;
    for (std::string line; std::getline(in, line);) {
        const auto sign = line.find('=');
        if (sign != std::string::npos) {
            values[line.substr(0, sign)] = line.substr(sign + 1);
        }
    }
    for (const auto* needed :
         {"VORA_POSTGRES_URL", "VORA_S3_URL", "VORA_S3_ACCESS_KEY", "VORA_S3_SECRET_KEY"}) {
        if (!values.contains(needed)) {
            return fail(errc::invalid_argument, "bad_stack_env",
                        path_of(dir) + " does not name " + needed);
        }
    }
    return values;
}

}  // namespace vora::all
