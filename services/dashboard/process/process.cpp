#include "services/dashboard/process/process.hpp"

#include "libs/clickhouse/client.hpp"
#include "libs/config/config.hpp"
#include "libs/net/client.hpp"
#include "libs/service/keys/token_keys.hpp"
#include "libs/service/or_throw.hpp"
#include "services/dashboard/app.hpp"

namespace vora::dashboard {

namespace {

constexpr std::size_t idle_connections_max = 16;

struct settings {
    config dashboard;
    std::string engine = "off";
    std::string engine_ca_file;
    std::string issuer_file;
    service::token_keys_config provider;

    void bind(vora::config::schema& s) {
        dashboard.bind(s);
        s.add("public_urls.api", &dashboard.public_api_url, "public base URL of the API");
        s.add("public_urls.upload", &dashboard.public_upload_url, "public base URL of uploads");
        s.add("public_urls.play", &dashboard.public_play_url, "public base URL of playback");
        s.add("services.metadata_url", &dashboard.metadata_url,
              "internal listener of metadata, http://HOST:PORT");
        s.add("events.engine", &engine,
              "where events are read: http(s)://USER:PASSWORD@HOST:PORT/DATABASE, or off");
        s.mark_secret("events.engine");  // it may hold a password
        s.add("events.engine_ca_file", &engine_ca_file,
              "PEM file of the authorities that https of events.engine is checked with; empty = "
              "the system's");
        s.add("keys.issuer_file", &issuer_file,
              "PEM file with the private key of the platform's own issuer; made where it is not "
              "there");
        provider.bind(s);
    }

    std::vector<std::string> check() const {
        return service::missing(
            {{"services.metadata_url", dashboard.metadata_url}, {"keys.issuer_file", issuer_file}});
    }
};

std::optional<clickhouse::endpoint> endpoint_of(const std::string& engine) {
    if (engine == "off") {
        return std::nullopt;
    }
    return service::or_throw(clickhouse::parse_endpoint(engine), "events.engine");
}

// It also speaks to metadata, by http.
std::shared_ptr<net::transport_security> security_of(const std::optional<clickhouse::endpoint>& at,
                                                     const std::string& ca_file) {
    return at ? service::or_throw(clickhouse::security_for(*at, ca_file), "events.engine_ca_file")
              : nullptr;
}

class process final : public service::instance {
 public:
    process(const service::host& h, const settings& s)
        : endpoint_(endpoint_of(s.engine)),
          http_(h.ex, idle_connections_max, security_of(endpoint_, s.engine_ca_file)),
          events_(http_, [this] { return endpoint_; }),
          issuer_(service::or_throw(auth::token_issuer::load_or_create(s.issuer_file),
                                    "keys.issuer_file")),
          provider_(h.ex, h.pool, s.provider, h.log.for_service("auth"), h.metrics),
          app_(h.ex, issuer_, verifier(), h.clock, h.log.for_service("dashboard"), h.metrics,
               s.dashboard, endpoint_ ? &events_ : nullptr) {}

    net::router public_routes() override { return app_.public_routes(); }
    // Not required: the page works without figures.
    std::vector<service::dependency> dependencies() override {
        std::vector<service::dependency> all;
        if (endpoint_) {
            all.push_back(
                {"event_engine", false, [this] { return events_.version(milliseconds(1'500)); }});
        }
        return all;
    }

    task<result<void>> start() override {
        provider_.start();
        co_return result<void>{};
    }
    task<> stop() override {
        co_await app_.stop();
        co_await provider_.stop();
        http_.close();
    }

 private:
    auth::token_verifier verifier() const {
        auth::token_verifier v;
        service::or_throw(v.add_key(issuer_.public_key_pem(), issuer_.key_id()));
        provider_.add_to(v);
        return v;
    }

    std::optional<clickhouse::endpoint> endpoint_;
    net::client http_;
    clickhouse::client events_;
    auth::token_issuer issuer_;
    service::token_keys provider_;
    app app_;
};

}  // namespace

service::program make_program() {
    return service::program_of<settings, process>(
        "vora-dashboard", "the Studio, the player page and the analytics queries");
}

}  // namespace vora::dashboard
