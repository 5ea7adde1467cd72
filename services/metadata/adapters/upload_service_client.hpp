#pragma once
// The upload service over HTTP (contracts/internal): GET is asked again by whoever asked us, so
// nothing is retried here. Whatever keeps an answer from coming is unavailable
// ("upload_service_unavailable").

#include "libs/net/client.hpp"
#include "services/metadata/core/ports.hpp"

namespace vora::metadata {

struct upload_service_options {
    std::string base_url;  // "http://127.0.0.1:41234"
    std::string secret;
    milliseconds deadline{5'000};
};

class upload_service_client final : public upload_service {
 public:
    upload_service_client(net::client& http, upload_service_options options);

    task<result<upload_view>> find(upload_id id) override;
    task<result<std::vector<upload_view>>> with_reference(std::string reference) override;
    task<result<void>> remove(upload_id id) override;

 private:
    task<result<net::client_response>> send(std::string method, std::string path_and_query);

    net::client& http_;
    upload_service_options options_;
};

// One upload as the upload service writes it; internal ("upload_service_bad_answer").
result<upload_view> parse_upload_view(std::string_view body);
// The listing {"uploads": [...]}.
result<std::vector<upload_view>> parse_upload_listing(std::string_view body);

}  // namespace vora::metadata
