#pragma once
// Changing the grant keys while the platform runs: rotation writes the key file, a watch makes a
// running process follow it. What was signed stays good for as long as its key is in the file.

#include "libs/auth/grant.hpp"
#include "libs/base/async.hpp"

#include <functional>
#include <string>
#include <vector>

namespace vora::auth {

inline constexpr std::size_t grant_keys_live_max = 3;
// A new key signs this long after it was written: until then each process has read it.
inline constexpr milliseconds grant_key_lead{500};

struct key_rotation {
    std::string signing;               // the new key's id
    std::vector<std::string> live;     // all that verify, the new one included
    std::vector<std::string> dropped;  // what these signed is refused from now on
    timestamp signs_from;
};

// Adds a key and lets it sign; beyond grant_keys_live_max the oldest go. Blocking; processes that
// do this at the same time take turns. Errors: not_found when there is no key file, those of a key
// file that cannot be read or written.
result<key_rotation> rotate_grant_keys(const std::string& path, timestamp now);
// not_found ("no_such_key"), failed_precondition ("key_signs") for the one that signs.
result<void> remove_grant_key(const std::string& path, const std::string& id, timestamp now);

struct grant_key_ids {
    std::string signing;
    std::vector<std::string> live;  // oldest first
};
result<grant_key_ids> list_grant_keys(const std::string& path, timestamp now);

// Reads the file every `interval` and hands what it holds to `keys` and all its copies. A file that
// cannot be read changes nothing.
class grant_key_watch {
 public:
    struct options {
        std::string path;
        milliseconds interval{100};
        // After a change; with the reason when the file cannot be read, once until it can again.
        std::function<void(const grant_keys& keys)> on_change;
        std::function<void(const error& e)> on_failure;
    };
    grant_key_watch(executor ex, blocking_pool& pool, grant_keys keys, const clock_source& clock,
                    options o);
    grant_key_watch(const grant_key_watch&) = delete;
    void start();
    task<> stop();

 private:
    task<> run();

    blocking_pool& pool_;
    grant_keys keys_;
    const clock_source& clock_;
    options options_;
    task_group group_;
};

}  // namespace vora::auth
