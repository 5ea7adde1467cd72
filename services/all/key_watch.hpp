#pragma once
// The grant keys of DIR/keys/grants.json in a running platform: a rotation is taken over at once.

#include "libs/auth/key_ring.hpp"
#include "libs/obs/log.hpp"

#include <string>

namespace vora::all {

auth::grant_key_watch::options key_watch_options(std::string path, obs::logger log);

}  // namespace vora::all
