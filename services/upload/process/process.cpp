#include "services/upload/process/process.hpp"

#include "libs/config/config.hpp"
#include "libs/service/keys/grant_ring.hpp"
#include "libs/service/keys/trusted_tokens.hpp"
#include "libs/service/stores/bucket.hpp"
#include "libs/service/stores/disk_watch.hpp"
#include "services/upload/app.hpp"

namespace vora::upload {

namespace {

struct settings {
    config upload;
    std::string raw;
    service::s3_settings s3;
    std::string grants_file;
    service::trusted_tokens_config tokens;
    std::int64_t disk_free_min_bytes = service::disk_mark_by_size;

    void bind(vora::config::schema& s) {
        upload.bind(s);
        s.add(
            "upload.hook_url", &upload.hook_url,
            "where the end of an upload is told, METADATA/internal/hooks/upload; empty = nowhere");
        s.add("secrets.hook", &upload.hook_secret, "what hooks are signed with");
        s.mark_secret("secrets.hook");
        s.add("secrets.internal", &upload.internal_secret,
              "what services know each other by; empty = the internal routes refuse everybody");
        s.mark_secret("secrets.internal");
        s.add("public_urls.upload", &upload.public_url,
              "public base URL of uploads; empty = where the request came to");
        s.add("store.raw", &raw, "bucket of uploaded files: s3:BUCKET or file:DIR");
        s.add("keys.grants_file", &grants_file, "the ring of keys that grants are signed with");
        s.add("limits.disk_free_min_bytes", &disk_free_min_bytes,
              "of file:DIR: with less room no upload begins; -1 = 1 GiB, or 5 % of a smaller disk",
              service::disk_mark_by_size);
        s3.bind(s);
        tokens.bind(s);
    }

    std::vector<std::string> check() const {
        auto wrong = service::missing({{"store.raw", raw}, {"keys.grants_file", grants_file}});
        if (!upload.hook_url.empty() && upload.hook_secret.empty()) {
            wrong.emplace_back("secrets.hook is needed where upload.hook_url is set");
        }
        return wrong;
    }
};

class process final : public service::instance {
 public:
    process(const service::host& h, const settings& s)
        : grants_(h.ex, h.pool, h.clock, s.grants_file, h.log, service::absent_ring::refuse),
          tokens_(h.ex, h.pool, s.tokens, h.log, h.metrics),
          raw_(h, "store.raw", s.raw, s.s3),
          app_(h.ex, raw_.reader(), raw_.writer(), raw_.remover(), grants_.keys(),
               tokens_.verifier(), h.clock, h.log.for_service("upload"), h.metrics, s.upload,
               watch_disk(h, s)) {}

    net::router public_routes() override { return app_.public_routes(); }
    net::router internal_routes() override { return app_.internal_routes(); }
    std::vector<service::dependency> dependencies() override {
        std::vector<service::dependency> all{raw_.ready("raw_store")};
        if (disk_) {
            all.push_back({"disk", false, [this] { return disk_->ready(); }});
        }
        return all;
    }

    task<result<void>> start() override {
        auto started = co_await app_.start();
        if (!started) {
            co_return started;
        }
        grants_.start();
        tokens_.start();
        if (disk_) {
            disk_->start();
        }
        co_return result<void>{};
    }
    task<> stop() override {
        co_await app_.stop();
        co_await grants_.stop();
        co_await tokens_.stop();
        if (disk_) {
            co_await disk_->stop();
        }
    }

 private:
    // A bucket of S3 says itself when it is full.
    blob::free_space* watch_disk(const service::host& h, const settings& s) {
        if (!raw_.local_dir().empty()) {
            disk_ = std::make_unique<service::disk_watch>(
                h.ex, h.pool, std::vector{raw_.local_dir()}, s.disk_free_min_bytes, h.metrics);
        }
        return disk_.get();
    }

    service::grant_ring grants_;
    service::trusted_tokens tokens_;
    service::bucket raw_;
    std::unique_ptr<service::disk_watch> disk_;
    app app_;
};

}  // namespace

service::program make_program() {
    auto p = service::program_of<settings, process>(
        "vora-upload", "takes files by tus, whole and once, and tells its hook");
    p.internal = true;
    return p;
}

}  // namespace vora::upload
