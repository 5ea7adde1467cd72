#pragma once
// Tells the ends of uploads at least once. What is to be told is in the store (the marker), this
// holds only the order of tries: exponential backoff with jitter, for as long as the upload exists.

#include "libs/base/async.hpp"
#include "services/upload/core/ports.hpp"
#include "services/upload/core/upload_files.hpp"

#include <chrono>
#include <map>
#include <string>

namespace vora::upload {

struct hook_backoff {
    std::chrono::milliseconds least{500};
    std::chrono::milliseconds most{60'000};
};

class hook_outbox {
 public:
    hook_outbox(executor ex, upload_files& files, hook_sink& sink, observer& observed,
                hook_backoff backoff);

    // The upload's marker is durable and its new state visible.
    void add(const upload_id& id);
    void drop(const upload_id& id) { pending_.erase(id); }
    std::size_t size() const { return pending_.size(); }
    // Delivers until cancelled.
    task<> run();

 private:
    using clock = std::chrono::steady_clock;
    struct pending {
        clock::time_point due;
        int failures = 0;
    };
    std::chrono::milliseconds until_next() const;
    task<> deliver_due();
    // False: try again.
    task<bool> deliver(upload_id id);
    void postpone(const upload_id& id);

    upload_files& files_;
    hook_sink& sink_;
    observer& observed_;
    hook_backoff backoff_;
    wake_signal wake_;
    std::map<upload_id, pending> pending_;
};

}  // namespace vora::upload
