#include "services/dashboard/app.hpp"

#include "libs/net/client.hpp"
#include "services/dashboard/adapters/clickhouse_event_store.hpp"
#include "services/dashboard/adapters/embedded_files.hpp"
#include "services/dashboard/adapters/http_video_directory.hpp"
#include "services/dashboard/core/analytics.hpp"
#include "services/dashboard/core/attempt_limiter.hpp"
#include "services/dashboard/core/one_time_links.hpp"
#include "services/dashboard/core/site.hpp"
#include "services/dashboard/handlers/analytics_handler.hpp"
#include "services/dashboard/handlers/page_handler.hpp"
#include "services/dashboard/handlers/session_handler.hpp"

#include <stdexcept>
#include <utility>

namespace vora::dashboard {

namespace {

// A question about rights is one look into a database on the same machine.
constexpr std::chrono::milliseconds directory_deadline{1'000};
constexpr std::size_t questions_max = 16;

site make_site(const config& c) {
    auto made =
        site::make(embedded_files(), {c.public_api_url, c.public_upload_url, c.public_play_url});
    if (!made) {
        throw std::runtime_error(made.error().detail);
    }
    return std::move(*made);
}

}  // namespace

// From the event store to the answers.
struct app::figures {
    figures(clickhouse::client& events, net::client& http, analytics_handler::caller who,
            const clock_source& clock, obs::logger log, obs::metrics& metrics, const config& c)
        : store(events, std::chrono::milliseconds(c.query_timeout_ms), std::move(log), metrics),
          directory(http, c.metadata_url, directory_deadline),
          rules(store, directory, questions_max),
          handler(rules, std::move(who), clock) {}

    clickhouse_event_store store;
    http_video_directory directory;
    analytics rules;
    analytics_handler handler;
};

struct app::parts {
    parts(executor ex, const auth::token_issuer& issuer, auth::token_verifier verifier,
          const clock_source& used_clock, obs::logger log, obs::metrics& metrics, const config& c,
          clickhouse::client* events)
        : clock(used_clock),
          files(make_site(c)),
          links(c.link_ttl),
          attempts(static_cast<std::size_t>(c.attempts_per_minute)),
          sessions(links, attempts, issuer, std::move(verifier), clock, log, metrics,
                   {c.session_ttl, c.public_api_url}),
          pages(files,
                [this](net::request& r, std::string_view token) {
                    return sessions.sign_in_by_link(r, token);
                }),
          http(ex) {
        if (events != nullptr) {
            const auto who = [this](const net::request& r) { return sessions.caller(r, false); };
            analysis = std::make_unique<figures>(*events, http, who, clock, log, metrics, c);
        }
    }

    const clock_source& clock;
    site files;
    one_time_links links;
    attempt_limiter attempts;
    session_handler sessions;
    page_handler pages;
    net::client http;
    std::unique_ptr<figures> analysis;
};

app::app(executor ex, const auth::token_issuer& issuer, auth::token_verifier verifier,
         const clock_source& clock, obs::logger log, obs::metrics& metrics, config c,
         clickhouse::client* events)
    : parts_(std::make_unique<parts>(ex, issuer, std::move(verifier), clock, std::move(log),
                                     metrics, c, events)) {}

app::~app() = default;

net::router app::public_routes() {
    net::router routes;
    routes.merge(parts_->pages.routes());
    routes.merge(parts_->sessions.routes());
    if (parts_->analysis) {
        routes.merge(parts_->analysis->handler.routes());
    }
    return routes;
}

std::string app::new_one_time_token() {
    return parts_->links.issue(parts_->clock.now());
}

task<> app::stop() {
    parts_->http.close();
    co_return;
}

}  // namespace vora::dashboard
