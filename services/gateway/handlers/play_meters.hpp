#pragma once
// The gateway's metrics, under their names once and for all.

#include "libs/obs/metrics.hpp"
#include "services/gateway/core/media_path.hpp"
#include "services/gateway/core/object_cache.hpp"

#include <array>

namespace vora::gateway {

class play_meters {
 public:
    explicit play_meters(obs::metrics& m);

    void answered(object_kind kind, int status, double first_byte_s);
    void count(cache_event e) { cache_[static_cast<std::size_t>(e)]->add(); }
    void count(store_event e) { store_[static_cast<std::size_t>(e)]->add(); }

    obs::counter& sent_bytes;
    obs::counter& stale;
    obs::counter& refused_grants;
    obs::counter& missing;
    obs::counter& cut;
    obs::counter& too_late;
    obs::gauge& open;
    obs::gauge& cache_bytes;

 private:
    std::array<obs::histogram*, 4> first_byte_{};
    std::array<std::array<obs::counter*, 5>, 4> answers_{};
    std::array<obs::counter*, 6> cache_{};
    std::array<obs::counter*, 4> store_{};
};

}  // namespace vora::gateway
