#pragma once
// What happens to uploads, as metrics and log lines.

#include "libs/obs/log.hpp"
#include "libs/obs/metrics.hpp"
#include "services/upload/core/ports.hpp"

namespace vora::upload {

class telemetry final : public observer {
 public:
    telemetry(obs::logger log, obs::metrics& metrics);

    void created(const upload_info& info) override;
    void received(std::uint64_t bytes) override;
    void stored(std::uint64_t bytes) override;
    void ended(const upload_info& info) override;
    void taken_over(const upload_id& id) override;
    void hook_sent(const upload_event& event) override;
    void hook_failed(const upload_id& id, const error& e) override;
    void background_failed(const upload_id& id, const error& e) override;

 private:
    obs::logger log_;
    obs::metrics& metrics_;
    obs::counter& created_;
    obs::counter& received_;
    obs::counter& stored_;
    obs::counter& taken_over_;
    obs::counter& hooks_sent_;
    obs::counter& hooks_failed_;
    obs::counter& background_failed_;
};

}  // namespace vora::upload
