#pragma once
// Sign-in links that work once. They live in memory: a restart ends them, which is what one wants
// of a link in a terminal's scrollback.

#include "libs/base/clock.hpp"

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace vora::dashboard {

class one_time_links {
 public:
    explicit one_time_links(std::chrono::seconds ttl) : ttl_(ttl) {}

    // A fresh token of 256 random bits. Beyond links_max the oldest unused one stops working.
    std::string issue(timestamp now);
    // True once for each token issued, within its time. Takes equally long for every wrong token.
    bool redeem(std::string_view token, timestamp now);
    std::chrono::seconds ttl() const { return ttl_; }

    static constexpr std::size_t links_max = 64;

 private:
    struct link {
        std::string digest;  // SHA-256 of the token: what a memory dump shows does not sign in
        timestamp expires;
    };
    void drop_expired(timestamp now);

    std::chrono::seconds ttl_;
    std::vector<link> links_;  // oldest first
};

}  // namespace vora::dashboard
