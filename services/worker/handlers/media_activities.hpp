#pragma once
// Protocol in: the activities of the two media queues, turned into calls of the core.

#include "contracts/activities/media.hpp"
#include "libs/base/async.hpp"
#include "libs/blob/blob.hpp"
#include "libs/blob/free_space.hpp"
#include "libs/durable/worker/activity.hpp"
#include "libs/obs/log.hpp"
#include "libs/obs/metrics.hpp"
#include "services/worker/core/encoder.hpp"
#include "services/worker/core/prober.hpp"

#include <list>
#include <memory>
#include <string>

namespace vora::worker {

// Beats for every running attempt, also while it waits for the store, with its latest progress.
class heartbeat_board {
 public:
    class entry final : public attempt {
     public:
        entry(heartbeat_board& board, durable::activity_context& ctx);
        ~entry() override;
        entry(const entry&) = delete;
        bool should_stop() const override { return ctx_.is_cancelled(); }
        void progress(std::string_view stage, double percent, double eta_s) override;
        void beat() { ctx_.heartbeat(details_); }

     private:
        heartbeat_board& board_;
        durable::activity_context& ctx_;
        std::string details_;
    };

    // Until cancelled: the owner spawns it.
    task<> run();

 private:
    std::list<entry*> entries_;
};

class media_activities {
 public:
    // All outlive it.
    media_activities(prober& probes, encoder& encodes, blob::reader& processed_reader,
                     blob::writer& processed, blob::remover& processed_remover,
                     heartbeat_board& board, obs::logger log, obs::metrics& metrics,
                     blob::free_space* space = nullptr);

    // Of the queue "media": encodes, the heavy ones.
    durable::activity_registry heavy();
    // Of the queue "media-light".
    durable::activity_registry light();

 private:
    task<durable::outcome<contracts::probe_facts>> probe(durable::activity_context& ctx,
                                                         contracts::probe_input in);
    task<durable::outcome<contracts::encode_result>> encode(durable::activity_context& ctx,
                                                            contracts::encode_input in);
    task<durable::outcome<contracts::nothing>> publish(durable::activity_context& ctx,
                                                       contracts::publish_input in);
    task<durable::outcome<contracts::nothing>> cleanup(durable::activity_context& ctx,
                                                       contracts::cleanup_input in);
    // While the disk is nearly full no encode begins. storage_unavailable after five minutes: the
    // workflow tries again within its retry budget.
    task<media_result<>> wait_for_room(const std::string& video_id, attempt& a);
    std::unexpected<durable::failure> failed(const durable::activity_context& ctx,
                                             const std::string& video_id, const media_failure& f);

    prober& probes_;
    encoder& encodes_;
    blob::reader& processed_reader_;
    blob::writer& processed_;
    blob::remover& processed_remover_;
    heartbeat_board& board_;
    obs::logger log_;
    obs::metrics& metrics_;
    blob::free_space* space_;
};

}  // namespace vora::worker
