#pragma once
// What every process of Vora can be told, whatever it serves.

#include "libs/base/result.hpp"
#include "libs/net/server.hpp"
#include "libs/obs/log.hpp"

#include <cstdint>
#include <string>

namespace vora::config {
class schema;
}

namespace vora::service {

struct settings {
    std::string listen = "127.0.0.1:0";
    std::string internal_listen = "127.0.0.1:0";
    std::string admin_listen = "127.0.0.1:0";
    std::int64_t connections_max = 4096;
    std::int64_t connections_per_address_max = 1024;
    std::string trusted_proxies;  // addresses, with commas
    std::int64_t blocking_threads = 8;
    std::string log_level = "info";
    std::string log_file;  // empty: stderr

    // The admin listener, limits, log level.
    void bind(config::schema& s);

    // The listener that strangers reach; pages of any origin may read what is below `open_path`.
    net::server_options front(const std::string& open_path) const;
};

net::server_options listener(const std::string& name, const std::string& address);
// invalid_argument ("bad_config_value").
result<obs::level> level_of(const std::string& text);

}  // namespace vora::service
