#pragma once
// The videos a caller may see, asked of the API with the caller's own token: the rights are decided
// in one place.

#include "libs/net/client.hpp"
#include "services/dashboard/core/analytics.hpp"

#include <chrono>
#include <string>

namespace vora::dashboard {

class http_video_directory final : public video_directory {
 public:
    // `api_url`: "http://HOST:PORT". The client must outlive it.
    http_video_directory(net::client& http, std::string api_url,
                         std::chrono::milliseconds deadline);
    task<result<void>> check(std::string video_id, std::string token) override;
    // The newest 200: one page of the API, and as many ids as a query takes along.
    task<result<listing>> videos_of(std::string token) override;

 private:
    task<result<net::client_response>> get(std::string path, std::string token);

    net::client& http_;
    std::string api_url_;
    std::chrono::milliseconds deadline_;
};

// internal ("bad_listing") when the answer has another form than the contract's.
result<video_directory::listing> parse_listing(const std::string& body);

}  // namespace vora::dashboard
