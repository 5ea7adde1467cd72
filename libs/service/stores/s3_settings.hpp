#pragma once
// Where a service's buckets are, as its configuration says it.

#include "libs/base/result.hpp"
#include "libs/blob/s3/s3_options.hpp"

#include <chrono>
#include <string>

namespace vora::config {
class schema;
}

namespace vora::service {

struct s3_settings {
    std::string endpoint;  // "https://HOST:PORT"
    std::string region = "us-east-1";
    std::string access_key;
    std::string secret_key;
    bool path_style = true;
    std::string ca_file;
    // Not of the configuration: how long an open object may bring nothing before it is continued on
    // another connection. Less than whoever reads is willing to wait.
    std::chrono::milliseconds stall{10'000};

    void bind(config::schema& s);
    blob::s3_options bucket(const std::string& name) const;
};

struct store_url {
    bool s3 = false;
    std::string place;  // the bucket, or the directory
};
// "s3:BUCKET" or "file:DIR". invalid_argument ("bad_config_value").
result<store_url> parse_store_url(const std::string& text);

}  // namespace vora::service
