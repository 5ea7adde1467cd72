// The build without the real systems.

#include "services/all/stack_tools.hpp"

#include <cstdio>

namespace vora::all {

int run_stack_fsck(const fsck_options& options) {
    std::fprintf(stderr,
                 "vora: %s is a stack's, and this vora was built without the real systems: build "
                 "with -DVORA_REAL_SYSTEMS=ON, as ./vora stack up does\n",
                 options.data_dir.c_str());
    return 2;
}

diagnoses check_stack(doctor_facts& facts) {
    return {{"stack", "no_real_systems", facts.dir + " cannot be looked at",
             "this vora was built without the real systems",
             "build with -DVORA_REAL_SYSTEMS=ON, as ./vora stack up does"}};
}

}  // namespace vora::all
