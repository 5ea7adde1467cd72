#pragma once
// How much room is left where a service writes, against two marks. A port: who measures, and what,
// is the composition root's business (the embedded stores: disks; a store with a quota: its own).

#include "libs/base/task.hpp"

#include <cstdint>

namespace vora::blob {

enum class room {
    ample,
    low,   // nothing new is begun; what is under way goes on
    none,  // the rest is for databases and logs: nothing more is taken
};

class free_space {
 public:
    virtual ~free_space() = default;
    // As it would be with `more_bytes` written. Cheap (a look of the last second will do); a
    // measurement that fails is `ample`: the write itself will say what is wrong.
    virtual task<room> look(std::uint64_t more_bytes) = 0;
};

}  // namespace vora::blob
