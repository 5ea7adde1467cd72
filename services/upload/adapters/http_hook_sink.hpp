#pragma once
// Hooks by HTTP to the one configured URL, signed as Standard Webhooks 1.0. No URL ever comes from
// a request, redirects are not followed. Retries belong to the caller; only 2xx is an
// acknowledgement.

#include "libs/base/clock.hpp"
#include "libs/net/client.hpp"
#include "services/upload/core/ports.hpp"

#include <string>

namespace vora::upload {

class http_hook_sink final : public hook_sink {
 public:
    http_hook_sink(executor ex, std::string url, std::string secret, const clock_source& clock);

    task<result<void>> deliver(upload_event event) override;
    void close() { client_.close(); }

 private:
    net::client client_;
    std::string url_;
    std::string secret_;
    const clock_source& clock_;
};

}  // namespace vora::upload
