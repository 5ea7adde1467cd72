#pragma once
// The grant keys of one file in a running process: a rotation is taken over at once.

#include "libs/auth/key_ring.hpp"
#include "libs/obs/log.hpp"

#include <string>

namespace vora::service {

enum class absent_ring { make, refuse };

class grant_ring {
 public:
    // Throws std::runtime_error when the file cannot be used, or is not there and may not be made:
    // grants are verified with the keys of the service that signs, not with some of one's own.
    grant_ring(executor ex, blocking_pool& pool, const clock_source& clock, const std::string& path,
               obs::logger log, absent_ring absent);

    // Copies are the same keys.
    const auth::grant_keys& keys() const { return keys_; }
    void start();
    task<> stop();

 private:
    auth::grant_keys keys_;
    auth::grant_key_watch watch_;
};

}  // namespace vora::service
