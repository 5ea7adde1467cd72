#pragma once
// GET /v1/analytics and /v1/analytics/videos/{id}.

#include "libs/auth/jwt.hpp"
#include "libs/base/clock.hpp"
#include "libs/net/router.hpp"
#include "services/dashboard/core/analytics.hpp"

#include <expected>
#include <functional>

namespace vora::dashboard {

class analytics_handler {
 public:
    // Who calls, or the answer to send.
    using caller =
        std::function<std::expected<auth::principal, net::response>(const net::request&)>;

    analytics_handler(analytics& figures, caller who, const clock_source& clock);
    net::router routes();

 private:
    task<net::response> one_video(net::request& r);
    task<net::response> all_videos(net::request& r);

    struct question {
        analytics_caller who;
        time_window window;
    };
    std::expected<question, net::response> question_of(const net::request& r) const;

    analytics& figures_;
    caller who_;
    const clock_source& clock_;
};

}  // namespace vora::dashboard
