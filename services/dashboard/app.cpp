#include "services/dashboard/app.hpp"

#include "services/dashboard/adapters/embedded_files.hpp"
#include "services/dashboard/core/attempt_limiter.hpp"
#include "services/dashboard/core/one_time_links.hpp"
#include "services/dashboard/core/site.hpp"
#include "services/dashboard/handlers/page_handler.hpp"
#include "services/dashboard/handlers/session_handler.hpp"

#include <stdexcept>
#include <utility>

namespace vora::dashboard {

namespace {

site make_site(const config& c) {
    auto made =
        site::make(embedded_files(), {c.public_api_url, c.public_upload_url, c.public_play_url});
    if (!made) {
        throw std::runtime_error(made.error().detail);
    }
    return std::move(*made);
}

}  // namespace

struct app::parts {
    parts(const auth::token_issuer& issuer, auth::token_verifier verifier,
          const clock_source& used_clock, obs::logger log, obs::metrics& metrics, const config& c)
        : clock(used_clock),
          files(make_site(c)),
          links(c.link_ttl),
          attempts(static_cast<std::size_t>(c.attempts_per_minute)),
          sessions(links, attempts, issuer, std::move(verifier), clock, std::move(log), metrics,
                   {c.session_ttl, c.public_api_url}),
          pages(files, [this](net::request& r, std::string_view token) {
              return sessions.sign_in_by_link(r, token);
          }) {}

    const clock_source& clock;
    site files;
    one_time_links links;
    attempt_limiter attempts;
    session_handler sessions;
    page_handler pages;
};

app::app(executor, const auth::token_issuer& issuer, auth::token_verifier verifier,
         const clock_source& clock, obs::logger log, obs::metrics& metrics, config c)
    : parts_(std::make_unique<parts>(issuer, std::move(verifier), clock, std::move(log), metrics,
                                     c)) {}

app::~app() = default;

net::router app::public_routes() {
    net::router routes;
    routes.merge(parts_->pages.routes());
    routes.merge(parts_->sessions.routes());
    return routes;
}

std::string app::new_one_time_token() {
    return parts_->links.issue(parts_->clock.now());
}

task<> app::stop() {
    co_return;
}

}  // namespace vora::dashboard
