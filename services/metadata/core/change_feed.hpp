#pragma once
// Which videos have changed, told to the gateways as it happens, so that none of them goes on
// serving what has become private or was deleted. Kept in memory: a reader from another life of
// this service, or one too far behind, is told that it missed something and doubts all it knows.
// One loop.

#include "libs/base/async.hpp"
#include "services/metadata/core/video.hpp"

#include <cstdint>
#include <deque>
#include <list>
#include <string>
#include <vector>

namespace vora::metadata {

class change_feed {
 public:
    // `kept_max`: changes that a reader may be behind; `readers_max`: readers that wait at once.
    explicit change_feed(executor ex, std::size_t kept_max = 10'000, std::size_t readers_max = 64);
    change_feed(const change_feed&) = delete;

    // After the commit, before whoever asked for the change is answered.
    void publish(const video_id& id);
    // Others may have changed videos, and nobody can say which: every reader is told that it missed
    // something.
    void forget();

    struct changes {
        std::string epoch;          // of this life of the service
        std::uint64_t last = 0;     // to be asked after next time
        bool missed = false;        // what lies between is not known: every video may have changed
        std::vector<video_id> ids;  // in order of change, each named once
    };
    // What came after `after`; waits for it, at most `limit`.
    task<changes> wait(std::string epoch, std::uint64_t after, milliseconds limit);
    // Nobody waits any longer, from now on.
    void close();

 private:
    changes since(const std::string& epoch, std::uint64_t after) const;

    executor ex_;
    std::size_t kept_max_;
    std::size_t readers_max_;
    std::string epoch_;
    std::uint64_t last_ = 0;  // number of the newest change; the first is 1
    std::deque<video_id> kept_;
    std::list<wake_signal*> waiting_;
    bool closed_ = false;
};

}  // namespace vora::metadata
