#include "services/gateway/process/process.hpp"

#include "libs/config/config.hpp"
#include "libs/net/client.hpp"
#include "libs/service/keys/grant_ring.hpp"
#include "libs/service/stores/bucket_reader.hpp"
#include "services/gateway/app.hpp"

namespace vora::gateway {

namespace {

struct settings {
    config gateway;
    std::string processed;
    service::s3_settings s3;
    std::string grants_file;

    void bind(vora::config::schema& s) {
        gateway.bind(s);
        s.add("services.metadata_url", &gateway.metadata_url,
              "internal listener of metadata, http://HOST:PORT");
        s.add("secrets.internal", &gateway.internal_secret, "what services know each other by");
        s.mark_secret("secrets.internal");
        s.add("store.processed", &processed, "bucket of streamable files: s3:BUCKET");
        s.add("keys.grants_file", &grants_file, "the ring of keys that grants are signed with");
        s3.bind(s);
    }

    std::vector<std::string> check() const {
        return service::missing({{"services.metadata_url", gateway.metadata_url},
                                 {"secrets.internal", gateway.internal_secret},
                                 {"store.processed", processed},
                                 {"keys.grants_file", grants_file}});
    }
};

// A body that breaks off is continued by the S3 adapter alone, and within the time that the gateway
// waits for its next bytes.
config without_resumes(config c) {
    c.store_resumes_max = 0;
    return c;
}
service::s3_settings with_stall(service::s3_settings s, const config& c) {
    s.stall = milliseconds(c.store_read_deadline_ms) / 3;
    return s;
}

class process final : public service::instance {
 public:
    process(const service::host& h, const settings& s)
        : metadata_url_(s.gateway.metadata_url),
          http_(h.ex),
          grants_(h.ex, h.pool, h.clock, s.grants_file, h.log, service::absent_ring::refuse),
          processed_(service::open_s3_reader(h, "store.processed", s.processed,
                                             with_stall(s.s3, s.gateway))),
          app_(h.ex, *processed_, grants_.keys(), h.clock, h.log, h.metrics,
               without_resumes(s.gateway)) {}

    net::router public_routes() override { return app_.public_routes(); }
    // Without metadata what was asked before is still served.
    std::vector<service::dependency> dependencies() override {
        return {service::s3_dependency("processed_store", *processed_),
                {"metadata", false, [this] { return metadata_alive(); }}};
    }

    task<result<void>> start() override {
        app_.start();
        grants_.start();
        co_return result<void>{};
    }
    task<> stop() override {
        co_await app_.stop();
        co_await grants_.stop();
        http_.close();
    }

 private:
    task<result<std::string>> metadata_alive() {
        net::client_request r;
        r.url = metadata_url_ + "/livez";
        r.deadline = milliseconds(1'500);
        r.body_bytes_max = 4096;
        auto answer = co_await http_.send(std::move(r));
        if (!answer) {
            co_return fail(answer.error());
        }
        if (answer->status != 200) {
            co_return fail(errc::unavailable, "bad_answer");
        }
        co_return std::string("answers");
    }

    std::string metadata_url_;
    net::client http_;
    service::grant_ring grants_;
    std::unique_ptr<blob::s3_reader> processed_;
    app app_;
};

}  // namespace

service::program make_program() {
    auto p = service::program_of<settings, process>("vora-gateway",
                                                    "serves playback, behind a cache; reads only");
    p.open_path = "/play/";
    return p;
}

}  // namespace vora::gateway
