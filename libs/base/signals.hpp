#pragma once

#include "libs/base/task.hpp"

#include <initializer_list>

namespace vora {

// Waits for one of these signals (SIGTERM, SIGINT, ...) and returns its number. While it waits,
// their default action is off; afterwards it is back, so that a second signal ends the process.
task<int> next_signal(std::initializer_list<int> numbers);

}  // namespace vora
