#include "libs/base/fault_point.hpp"

#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>

namespace vora::detail {

namespace {
const char* armed_name() {
    const char* value = std::getenv("VORA_FAULT_POINT");
    return value == nullptr ? "" : value;
}
}  // namespace

const bool fault_points_armed = *armed_name() != '\0';

void fault_point_reached(const char* name) {
    static const std::string spec = armed_name();
    static const auto colon = spec.find(':');
    static const std::string wanted = spec.substr(0, colon);
    static const long hit_wanted =
        colon == std::string::npos ? 1 : std::strtol(spec.c_str() + colon + 1, nullptr, 10);
    static std::atomic<long> hits{0};
    if (wanted == name && ++hits == hit_wanted) {
        kill(getpid(), SIGKILL);
    }
}

}  // namespace vora::detail
