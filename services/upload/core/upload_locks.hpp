#pragma once
// One writer an upload. Whoever comes later asks the holder to stop, which then stores what it has
// and lets go: a client that reconnects never waits for its own dead connection. In this process
// only.

#include "libs/base/async.hpp"
#include "libs/base/stop_request.hpp"
#include "services/upload/core/upload.hpp"

#include <chrono>
#include <list>
#include <map>
#include <memory>
#include <string>

namespace vora::upload {

class upload_locks {
 public:
    explicit upload_locks(executor ex);
    ~upload_locks();
    upload_locks(const upload_locks&) = delete;

    class lease {
     public:
        lease() = default;  // of nothing
        lease(upload_locks& owner, std::string id, std::shared_ptr<stop_request> stop);
        lease(lease&& other) noexcept;
        lease& operator=(lease&&) = delete;
        ~lease();
        // Asked when somebody else wants the upload.
        stop_request& stop() { return *stop_; }

     private:
        upload_locks* owner_ = nullptr;
        std::string id_;
        std::shared_ptr<stop_request> stop_;
    };

    // In order of asking. unavailable ("upload_busy") when the holder does not let go in time: it
    // is in the middle of a slow store.
    task<result<lease>> take(upload_id id, std::chrono::milliseconds limit);
    bool is_held(const upload_id& id) const { return entries_.contains(id.value); }

 private:
    struct waiter;
    struct entry {
        std::shared_ptr<stop_request> holder;
        std::list<waiter*> waiting;
    };
    void release(const std::string& id);

    executor executor_;
    std::map<std::string, entry> entries_;
};

}  // namespace vora::upload
