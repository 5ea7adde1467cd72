#pragma once
// `vora keys`: the keys that grants are signed with. Works on the key file in DIR, whether the
// server runs or not; a running one follows within a second.

#include <string>

namespace vora::cli {

struct keys_options {
    std::string data_dir = "./vora-data";
    std::string id;
    bool json = false;
};

int run_keys_list(const keys_options& options);
// A new key signs; the ones before still verify, up to three in all.
int run_keys_rotate(const keys_options& options);
// What that key signed is refused from now on.
int run_keys_remove(const keys_options& options);

}  // namespace vora::cli
