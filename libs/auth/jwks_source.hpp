#pragma once
// The keys of another issuer, fetched from its JWKS URL by one loop: at start, when what was
// fetched grows old, and when a token names a key that is not there (at most once a minute, however
// many such tokens come). While the URL is down the keys stay as they were. A key that has left the
// set stays for a while: tokens signed with it are still about.

#include "libs/auth/jwt.hpp"
#include "libs/base/async.hpp"

#include <functional>
#include <list>
#include <optional>

namespace vora::auth {

struct jwks_document {
    std::string text;
    std::optional<std::chrono::seconds> max_age;  // of Cache-Control
};

struct jwks_options {
    milliseconds refresh_min{60'000};   // between two fetches that unknown keys ask for
    std::chrono::seconds poll_min{60};  // bounds of what max_age may say
    std::chrono::seconds poll_max{3'600};
    std::chrono::seconds poll_default{600};
    milliseconds retry_first{1'000};  // doubles up to poll_min
    milliseconds wait_max{3'000};     // how long one request waits for a fetch
    milliseconds retire_after{600'000};
};

class jwks_source final : public key_source {
 public:
    using fetcher = std::function<task<result<jwks_document>>()>;  // bounds its own time
    // After each fetch: how many keys there are now, or why there are no newer ones.
    using listener = std::function<void(const result<std::size_t>&)>;

    jwks_source(executor ex, issuer_rules rules, fetcher fetch, listener heard,
                jwks_options options = {});
    ~jwks_source() override;

    void start();
    task<> stop();

    const issuer_rules& rules() const override { return rules_; }
    std::shared_ptr<const key_set> keys() const override { return keys_; }
    task<> refresh() override;

 private:
    using time_point = std::chrono::steady_clock::time_point;

    task<> loop();
    task<milliseconds> fetch_once();
    void take(key_set fetched);

    executor executor_;
    issuer_rules rules_;
    fetcher fetch_;
    listener heard_;
    jwks_options options_;
    std::shared_ptr<const key_set> keys_ = std::make_shared<const key_set>();
    std::map<std::string, time_point, std::less<>> retiring_;  // since when
    bool fetching_ = false;
    std::optional<time_point> asked_at_;
    milliseconds retry_{0};
    std::list<wake_signal*> waiting_;
    wake_signal wanted_;
    task_group tasks_;
};

}  // namespace vora::auth
