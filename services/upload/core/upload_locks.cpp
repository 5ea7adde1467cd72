#include "services/upload/core/upload_locks.hpp"

#include "libs/base/assert.hpp"

#include <utility>

namespace vora::upload {

struct upload_locks::waiter {
    explicit waiter(executor ex) : signal(std::move(ex)), stop(std::make_shared<stop_request>()) {}
    wake_signal signal;
    std::shared_ptr<stop_request> stop;
    bool granted = false;
};

upload_locks::upload_locks(executor ex) : executor_(std::move(ex)) {}

upload_locks::~upload_locks() {
    VORA_ASSERT(entries_.empty());
}

upload_locks::lease::lease(upload_locks& owner, std::string id, std::shared_ptr<stop_request> stop)
    : owner_(&owner), id_(std::move(id)), stop_(std::move(stop)) {}

upload_locks::lease::lease(lease&& other) noexcept
    : owner_(std::exchange(other.owner_, nullptr)),
      id_(std::move(other.id_)),
      stop_(std::move(other.stop_)) {}

upload_locks::lease::~lease() {
    if (owner_ != nullptr) {
        owner_->release(id_);
    }
}

void upload_locks::release(const std::string& id) {
    const auto it = entries_.find(id);
    auto& e = it->second;
    if (e.waiting.empty()) {
        entries_.erase(it);
        return;
    }
    auto* next = e.waiting.front();
    e.waiting.pop_front();
    e.holder = next->stop;
    next->granted = true;
    if (!e.waiting.empty()) {
        e.holder->ask(stop_request::reason::taken_over);  // the latest comer is the live one
    }
    next->signal.notify();
}

task<result<upload_locks::lease>> upload_locks::take(upload_id id,
                                                     std::chrono::milliseconds limit) {
    const auto [it, is_free] = entries_.try_emplace(id.value);
    if (is_free) {
        it->second.holder = std::make_shared<stop_request>();
        co_return lease(*this, id.value, it->second.holder);
    }
    waiter w(executor_);
    it->second.waiting.push_back(&w);
    struct leave {
        upload_locks& locks;
        const std::string& id;
        waiter& self;
        bool keep = false;
        ~leave() {
            if (!self.granted) {
                locks.entries_.at(id).waiting.remove(&self);
            } else if (!keep) {
                locks.release(id);
            }
        }
    } on_exit{*this, id.value, w};
    const auto holder = it->second.holder;  // it may end while we ask
    holder->ask(stop_request::reason::taken_over);
    co_await w.signal.wait(limit);
    if (!w.granted) {
        co_return fail(errc::unavailable, "upload_busy");
    }
    on_exit.keep = true;
    co_return lease(*this, id.value, w.stop);
}

}  // namespace vora::upload
