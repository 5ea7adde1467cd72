#pragma once
// Brings the outbox to the workflow engine, at least once: a message is claimed by a lease,
// delivered under its stable id (known there already = delivered) and marked as sent after the
// engine's word. No transaction is open during the call. The engine being away costs one probe a
// pause.

#include "services/metadata/core/breaker.hpp"
#include "services/metadata/core/ports.hpp"

namespace vora::metadata {

struct relay_report {
    std::size_t sent = 0;
    std::size_t dropped = 0;    // no longer wanted: the video is cancelled or deleted
    std::size_t abandoned = 0;  // can never be delivered; the video failed
    std::string last_error;     // reason of the last failed delivery
    bool more = false;          // ask again at once
};

class outbox_relay {
 public:
    outbox_relay(video_repository& repository, workflow_engine& engine, const clock_source& clock,
                 breaker_options options = {});

    // Once, before the first run: claims of an earlier life are void, unless they may be another
    // replica's.
    task<result<void>> recover();
    // Now and then: messages sent long ago and answers past their time are needed for nothing.
    task<result<void>> forget_sent();
    task<result<relay_report>> run_once();
    // Until run_once may do something again; 0 = at once.
    milliseconds pause() const { return breaker_.wait(clock_.now()); }
    bool is_open() const { return breaker_.is_open(); }

 private:
    task<result<void>> deliver(outbox_message m);
    task<result<void>> note_sent(outbox_message m);
    task<result<void>> abandon(outbox_message m);

    video_repository& repository_;
    workflow_engine& engine_;
    const clock_source& clock_;
    breaker breaker_;
};

}  // namespace vora::metadata
