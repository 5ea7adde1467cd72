#pragma once
// `vora fsck`: compares what the databases say with what the stores hold, both ways. Offline: it
// takes DIR's lock, so nothing changes meanwhile. Without --repair it changes nothing.
//
// What only one side knows is an orphan when it is older than any work that could still need it;
// younger things are counted, not reported (--all reports them too).

#include <cstdint>
#include <string>
#include <vector>

namespace vora::all {

struct fsck_options {
    std::string data_dir = "./vora-data";
    bool repair = false;
    bool all = false;  // whatever its age
    bool json = false;
    std::vector<std::string> config_flags;
};

// 0: nothing wrong, or all of it repaired; 1: findings are left; 2: it could not look.
int run_fsck(const fsck_options& options);

}  // namespace vora::all
