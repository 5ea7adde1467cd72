#include "services/upload/core/hook_outbox.hpp"

#include "libs/base/fault_point.hpp"

#include <algorithm>
#include <random>
#include <vector>

namespace vora::upload {

namespace {

constexpr std::chrono::milliseconds idle_wait{60'000};

}  // namespace

hook_outbox::hook_outbox(executor ex, upload_files& files, hook_sink& sink, observer& observed,
                         hook_backoff backoff)
    : files_(files), sink_(sink), observed_(observed), backoff_(backoff), wake_(std::move(ex)) {}

void hook_outbox::add(const upload_id& id) {
    pending_[id] = {clock::now(), 0};
    wake_.notify();
}

std::chrono::milliseconds hook_outbox::until_next() const {
    auto wait = idle_wait;
    const auto now = clock::now();
    for (const auto& [id, p] : pending_) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(p.due - now);
        wait = std::min(wait, std::max(left, std::chrono::milliseconds(0)));
    }
    return wait;
}

task<> hook_outbox::run() {
    for (;;) {
        const auto wait = until_next();
        if (wait.count() > 0) {
            co_await wake_.wait(wait);
        }
        co_await deliver_due();
    }
}

task<> hook_outbox::deliver_due() {
    std::vector<upload_id> due;
    for (const auto& [id, p] : pending_) {
        if (p.due <= clock::now()) {
            due.push_back(id);
        }
    }
    for (const auto& id : due) {
        const bool told = co_await deliver(id);
        if (told) {
            pending_.erase(id);
        } else {
            postpone(id);
        }
    }
}

void hook_outbox::postpone(const upload_id& id) {
    const auto it = pending_.find(id);
    if (it == pending_.end()) {
        return;  // removed meanwhile
    }
    static thread_local std::minstd_rand random{std::random_device{}()};
    const int doublings = std::min(it->second.failures++, 20);
    const auto full = std::min(backoff_.most, backoff_.least * (std::int64_t{1} << doublings));
    // Half of it by chance, so that many do not come at once.
    std::uniform_int_distribution<std::int64_t> jitter(full.count() / 2, full.count());
    it->second.due = clock::now() + std::chrono::milliseconds(jitter(random));
}

task<bool> hook_outbox::deliver(upload_id id) {
    auto info = co_await files_.read_info(id);
    auto marker = co_await files_.read_marker(id);
    if (!info || !marker) {
        const auto& e = info ? marker.error() : info.error();
        if (e.code == errc::not_found) {
            co_return true;  // the upload is gone, there is nothing to tell any more
        }
        observed_.hook_failed(id, e);
        co_return false;
    }
    if (!*marker || info->state == upload_state::open) {
        co_return true;
    }
    upload_event event{.event_id = id.value + "." + std::string(to_string(info->state)),
                       .type = info->state,
                       .id = id,
                       .reference = info->reference,
                       .size_bytes = info->length,
                       .object_key = info->object_key(),
                       .occurred = (*marker)->since};
    fault_point("upload.before_hook");
    auto sent = co_await sink_.deliver(event);
    if (!sent) {
        observed_.hook_failed(id, sent.error());
        co_return false;
    }
    observed_.hook_sent(event);
    fault_point("upload.after_hook");
    auto removed = co_await files_.remove_marker(id);
    co_return removed.has_value();
}

}  // namespace vora::upload
