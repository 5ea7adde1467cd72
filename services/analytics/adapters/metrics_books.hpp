#pragma once
// The ledger on the metrics page. All of it changes at once: at every scrape
// accepted = stored + spooled + dropped, also over restarts.

#include "libs/obs/metrics.hpp"
#include "services/analytics/core/ledger.hpp"

#include <array>

namespace vora::analytics {

class metrics_books {
 public:
    explicit metrics_books(obs::metrics& m);
    void show(const totals& t);

 private:
    obs::counter& accepted_;
    obs::counter& stored_;
    obs::gauge& spooled_;
    obs::counter& delivered_;
    obs::counter& consumed_;
    std::array<obs::counter*, drop_reasons> dropped_{};
    totals shown_;
};

}  // namespace vora::analytics
