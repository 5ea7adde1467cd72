#pragma once
// What `vora fsck` prints.

#include "services/all/fsck.hpp"
#include "services/all/fsck_check.hpp"

namespace vora::all {

// On a terminal, redrawn in place.
void show_progress(const std::string& text);

// Prints all that was found; `looked`: whether it came to its end. Returns the exit code.
int report(const fsck_check& check, const fsck_options& options, const result<void>& looked);

}  // namespace vora::all
