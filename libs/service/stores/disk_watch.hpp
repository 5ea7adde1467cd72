#pragma once
// How full the disks are that Vora writes to, against `limits.disk_free_min_bytes`.
//
// Below the mark ("low") no upload and no encode begins; below half of it ("none") appends stop
// too, so that what is left goes to databases and logs. The mark is the operator's, or 1 GiB, or 5
// % of a disk where that is less.

#include "libs/base/async.hpp"
#include "libs/blob/free_space.hpp"
#include "libs/obs/metrics.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace vora::service {

inline constexpr std::int64_t disk_mark_by_size = -1;

struct disk_state {
    std::string path;
    std::uint64_t free_bytes = 0;  // to this user
    std::uint64_t total_bytes = 0;
    std::uint64_t mark_bytes = 0;

    blob::room room(std::uint64_t more_bytes = 0) const;
};

// Blocks. not_found, unavailable: the path cannot be looked at.
result<disk_state> look_at_disk(const std::string& path, std::int64_t free_min_bytes);
// "1.5 GiB"
std::string bytes_in_words(std::uint64_t bytes);

class disk_watch final : public blob::free_space {
 public:
    // One path of each disk; a path twice does no harm.
    disk_watch(executor ex, blocking_pool& pool, std::vector<std::string> paths,
               std::int64_t free_min_bytes, obs::metrics& metrics);

    task<blob::room> look(std::uint64_t more_bytes) override;
    // For /readyz: what is left, or unavailable ("disk_low", "disk_full").
    task<result<std::string>> ready();

    // Keeps the metrics true while nobody asks.
    void start();
    task<> stop();

 private:
    task<> refresh();
    task<> keep_looking();

    blocking_pool& pool_;
    std::vector<std::string> paths_;
    std::int64_t free_min_bytes_;
    std::vector<disk_state> disks_;  // of the last look
    std::chrono::steady_clock::time_point looked_{};
    obs::gauge& free_;
    obs::gauge& mark_;
    task_group group_;
};

}  // namespace vora::service
