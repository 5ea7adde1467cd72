#include "libs/service/settings.hpp"

#include "libs/config/config.hpp"

#include <sstream>

namespace vora::service {

void settings::bind(config::schema& s) {
    s.add("server.admin_listen", &admin_listen, "address of /metrics; port 0 = any free one");
    s.add("log.level", &log_level, "debug, info, warn or error");
    s.add("server.blocking_threads", &blocking_threads, "threads for files and databases", 2);
    s.add("server.connections_max", &connections_max, "connections at once; more get 503", 1);
    s.add("server.connections_per_address_max", &connections_per_address_max,
          "the same for one address that is no trusted proxy", 1);
    s.add("server.trusted_proxies", &trusted_proxies,
          "addresses, with commas, whose X-Forwarded-* count");
}

net::server_options settings::front(const std::string& open_path) const {
    auto o = listener("front", listen);
    o.open_path = open_path;
    o.connections_max = static_cast<std::size_t>(connections_max);
    o.connections_per_peer_max = static_cast<std::size_t>(connections_per_address_max);
    std::istringstream addresses(trusted_proxies);
    for (std::string one; std::getline(addresses, one, ',');) {
        std::erase(one, ' ');
        o.trusted_proxies.push_back(std::move(one));
    }
    return o;
}

net::server_options listener(const std::string& name, const std::string& address) {
    net::server_options o;
    o.name = name;
    o.address = address;
    return o;
}

result<obs::level> level_of(const std::string& text) {
    if (text == "debug") {
        return obs::level::debug;
    }
    if (text == "info") {
        return obs::level::info;
    }
    if (text == "warn") {
        return obs::level::warn;
    }
    if (text == "error") {
        return obs::level::error;
    }
    return fail(errc::invalid_argument, "bad_config_value",
                "log.level must be debug, info, warn or error, not \"" + text + "\"");
}

}  // namespace vora::service
