#include "services/dashboard/config.hpp"

#include "libs/config/config.hpp"

namespace vora::dashboard {

void config::bind(vora::config::schema& schema) {
    schema.add("dashboard.session_ttl_s", &session_ttl, "how long a browser stays signed in");
    schema.add("dashboard.link_ttl_s", &link_ttl, "how long an unused sign-in link works");
    schema.add("dashboard.attempts_per_minute", &attempts_per_minute,
               "refused sign-ins per address and minute", 1);
    schema.add("dashboard.query_timeout_ms", &query_timeout_ms,
               "how long the event store may take for an answer", 1);
}

}  // namespace vora::dashboard
