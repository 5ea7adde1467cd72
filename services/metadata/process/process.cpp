#include "services/metadata/process/process.hpp"

#include "libs/config/config.hpp"
#include "libs/durable/engine_temporal/temporal_engine.hpp"
#include "libs/service/keys/grant_ring.hpp"
#include "libs/service/keys/trusted_tokens.hpp"
#include "libs/service/or_throw.hpp"
#include "services/metadata/app.hpp"

namespace vora::metadata {

namespace {

struct settings {
    config metadata;
    std::string engine;
    std::string grants_file;
    service::trusted_tokens_config tokens;

    void bind(vora::config::schema& s) {
        metadata.bind(s);
        metadata.bind_public_urls(s);
        s.mark_secret("metadata.database");  // it may hold a password
        s.add("workflow.engine", &engine,
              "where videos are processed: temporal://HOST:PORT/NAMESPACE");
        s.add("services.upload_url", &metadata.upload_internal_url,
              "internal listener of the upload service, http://HOST:PORT");
        s.add("secrets.internal", &metadata.internal_secret, "what services know each other by");
        s.mark_secret("secrets.internal");
        s.add("secrets.hook", &metadata.hook_secret,
              "what the upload service's hooks are signed with");
        s.mark_secret("secrets.hook");
        s.add("keys.grants_file", &grants_file,
              "the ring of keys that grants are signed with; made where it is not there");
        tokens.bind(s);
    }

    std::vector<std::string> check() const {
        return service::missing({{"workflow.engine", engine},
                                 {"services.upload_url", metadata.upload_internal_url},
                                 {"secrets.internal", metadata.internal_secret},
                                 {"secrets.hook", metadata.hook_secret},
                                 {"keys.grants_file", grants_file}});
    }
};

config with_origin(config c, const std::string& address) {
    c.http_origin = "http://" + address;
    return c;
}

class process final : public service::instance {
 public:
    process(const service::host& h, const settings& s)
        : grants_(h.ex, h.pool, h.clock, s.grants_file, h.log, service::absent_ring::make),
          tokens_(h.ex, h.pool, s.tokens, h.log, h.metrics),
          engine_(h.ex,
                  {.address =
                       service::or_throw(durable::parse_temporal_url(s.engine), "workflow.engine"),
                   .identity = {}},
                  h.log.for_service("temporal"), h.metrics),
          app_(h.ex, h.pool, h.clock, engine_, engine_, tokens_.verifier(), grants_.keys(), h.log,
               h.metrics, with_origin(s.metadata, h.public_address)) {}

    net::router public_routes() override { return app_.public_routes(); }
    // The API too: the dashboard asks it on its users' behalf.
    net::router internal_routes() override {
        auto routes = app_.internal_routes();
        routes.merge(app_.public_routes());
        return routes;
    }
    // Not required: without the engine videos are taken in and wait.
    std::vector<service::dependency> dependencies() override {
        return {{"database", true, [this] { return database_ready(); }},
                {"workflow_engine", false,
                 [this] { return service::is_there(engine_.check(), "temporal"); }}};
    }

    task<result<void>> start() override {
        app_.open();
        app_.start();
        grants_.start();
        tokens_.start();
        co_return result<void>{};
    }
    task<> stop() override {
        co_await app_.stop();
        co_await engine_.stop();
        co_await grants_.stop();
        co_await tokens_.stop();
    }

 private:
    task<result<std::string>> database_ready() {
        auto statuses = co_await app_.readiness();
        for (const auto& status : statuses) {
            if (status.name == "database" && status.state != "ok") {
                co_return fail(errc::unavailable, status.detail);
            }
        }
        co_return std::string("answers");
    }

    service::grant_ring grants_;
    service::trusted_tokens tokens_;
    durable::temporal_engine engine_;
    app app_;
};

}  // namespace

service::program make_program() {
    auto p = service::program_of<settings, process>(
        "vora-metadata",
        "the one authority on videos: REST, gRPC, and the steps that change a video's state");
    p.internal = true;
    return p;
}

}  // namespace vora::metadata
