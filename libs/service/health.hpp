#pragma once
// /livez and /readyz. Ready = what this process is for works; the body lists every dependency.

#include "libs/net/router.hpp"

#include <functional>
#include <string>
#include <vector>

namespace vora::service {

struct dependency {
    std::string name;
    bool required = true;  // false: its failure is "degraded", and ready stays 200
    // What it is ("5.1.9"), or why it does not work; each is given two seconds.
    std::function<task<result<std::string>>()> check;
};

// For dependency::check, when a call only tells whether it works: `what` it is, or the call's
// error.
task<result<std::string>> is_there(task<result<void>> call, std::string what);

// GET /livez: 200 while the loop turns. GET /readyz: 200, or 503 with Retry-After.
net::router health_routes(std::vector<dependency> dependencies);

}  // namespace vora::service
