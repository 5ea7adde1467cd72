#pragma once
// The way from a thread of one's own back to the loop.

#include "libs/base/async.hpp"

#include <functional>

namespace vora {

// Runs f on the executor, soon and in order. From any thread.
void post_to(const executor& ex, std::function<void()> f);

}  // namespace vora
