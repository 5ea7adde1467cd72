#include "libs/auth/jwks_source.hpp"

#include "libs/auth/jwks.hpp"

#include <algorithm>

namespace vora::auth {

using std::chrono::steady_clock;

jwks_source::jwks_source(executor ex, issuer_rules rules, fetcher fetch, listener heard,
                         jwks_options options)
    : executor_(ex),
      rules_(std::move(rules)),
      fetch_(std::move(fetch)),
      heard_(std::move(heard)),
      options_(options),
      wanted_(ex),
      tasks_(ex) {}

jwks_source::~jwks_source() = default;

void jwks_source::start() {
    fetching_ = true;
    tasks_.spawn(loop());
}

task<> jwks_source::stop() {
    co_await tasks_.stop();
    fetching_ = false;
}

task<> jwks_source::loop() {
    for (;;) {
        const auto pause = co_await fetch_once();
        fetching_ = false;
        for (auto* waiter : waiting_) {
            waiter->notify();
        }
        co_await wanted_.wait(pause);
        fetching_ = true;
    }
}

task<milliseconds> jwks_source::fetch_once() {
    auto document = co_await fetch_();
    auto fetched = document ? parse_jwks(document->text) : fail(document.error());
    if (fetched && fetched->empty()) {
        fetched = fail(errc::data_loss, "bad_jwks", "the set holds no key that can be used");
    }
    if (!fetched) {
        heard_(fail(fetched.error()));
        const milliseconds longest = options_.poll_min;
        retry_ = std::min(retry_ == milliseconds(0) ? options_.retry_first : retry_ * 2, longest);
        co_return retry_;
    }
    retry_ = milliseconds(0);
    take(std::move(*fetched));
    heard_(keys_->size());
    milliseconds pause = std::clamp(document->max_age.value_or(options_.poll_default),
                                    options_.poll_min, options_.poll_max);
    co_return retiring_.empty() ? pause : std::min(pause, options_.retire_after);
}

void jwks_source::take(key_set fetched) {
    const auto now = steady_clock::now();
    std::erase_if(retiring_, [&](const auto& e) { return fetched.contains(e.first); });
    for (const auto& [kid, key] : *keys_) {
        if (fetched.contains(kid)) {
            continue;
        }
        const auto since = retiring_.try_emplace(kid, now).first->second;
        if (now - since < options_.retire_after) {
            fetched.emplace(kid, key);
        } else {
            retiring_.erase(kid);
        }
    }
    keys_ = std::make_shared<const key_set>(std::move(fetched));
}

task<> jwks_source::refresh() {
    if (!fetching_) {
        const auto now = steady_clock::now();
        if (tasks_.size() == 0 || (asked_at_ && now - *asked_at_ < options_.refresh_min)) {
            co_return;
        }
        asked_at_ = now;
        fetching_ = true;
        wanted_.notify();
    }
    wake_signal done(executor_);
    struct entry {
        std::list<wake_signal*>& all;
        std::list<wake_signal*>::iterator at;
        entry(std::list<wake_signal*>& list, wake_signal* s)
            : all(list), at(list.insert(list.end(), s)) {}
        ~entry() { all.erase(at); }
    };
    const entry waiting(waiting_, &done);
    co_await done.wait(options_.wait_max);
}

}  // namespace vora::auth
