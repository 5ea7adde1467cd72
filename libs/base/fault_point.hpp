#pragma once
// A named place at which a test may kill the process: VORA_FAULT_POINT="upload.part_durable" (or
// "upload.part_durable:3" for the third time) makes the process send itself SIGKILL there. Costs
// one load when the variable is unset. Points are listed in docs/testing.md.

#include <atomic>

namespace vora {

namespace detail {
extern const bool fault_points_armed;
void fault_point_reached(const char* name);
}  // namespace detail

inline void fault_point(const char* name) {
    if (detail::fault_points_armed) [[unlikely]] {
        detail::fault_point_reached(name);
    }
}

}  // namespace vora
