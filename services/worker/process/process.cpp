#include "services/worker/process/process.hpp"

#include "libs/config/config.hpp"
#include "libs/durable/engine_temporal/temporal_engine.hpp"
#include "libs/service/or_throw.hpp"
#include "libs/service/stores/bucket.hpp"
#include "libs/service/stores/disk_watch.hpp"
#include "services/worker/app.hpp"

namespace vora::worker {

namespace {

struct settings {
    config worker;
    std::string engine;
    std::string raw;
    std::string processed;
    service::s3_settings s3;
    std::int64_t disk_free_min_bytes = service::disk_mark_by_size;

    void bind(vora::config::schema& s) {
        worker.bind(s);
        s.add("workflow.engine", &engine, "where work comes from: temporal://HOST:PORT/NAMESPACE");
        s.add("store.raw", &raw, "bucket of uploaded files, only read: s3:BUCKET or file:DIR");
        s.add("store.processed", &processed, "bucket of streamable files: s3:BUCKET or file:DIR");
        s.add("limits.disk_free_min_bytes", &disk_free_min_bytes,
              "of the scratch directory: with less room no encode begins; -1 = 1 GiB, or 5 % of a "
              "smaller disk",
              service::disk_mark_by_size);
        s3.bind(s);
    }

    std::vector<std::string> check() const {
        return service::missing(
            {{"workflow.engine", engine}, {"store.raw", raw}, {"store.processed", processed}});
    }
};

class process final : public service::instance {
 public:
    process(const service::host& h, const settings& s)
        : engine_(h.ex,
                  {.address =
                       service::or_throw(durable::parse_temporal_url(s.engine), "workflow.engine"),
                   .identity = {}},
                  h.log.for_service("temporal"), h.metrics),
          raw_(h, "store.raw", s.raw, s.s3),
          processed_(h, "store.processed", s.processed, s.s3),
          disks_(h.ex, h.pool, {s.worker.scratch_dir, processed_.local_dir()},
                 s.disk_free_min_bytes, h.metrics),
          app_(h.ex, h.pool, raw_.reader(), processed_.reader(), processed_.writer(),
               processed_.remover(), engine_, h.log.for_service("worker"), h.metrics, s.worker,
               &disks_) {}

    std::vector<service::dependency> dependencies() override {
        return {
            {"workflow_engine", true,
             [this] { return service::is_there(engine_.check(), "temporal"); }},
            raw_.ready("raw_store"),
            processed_.ready("processed_store"),
            {"ffmpeg", true, [this] { return ffmpeg_ready(); }},
            {"disk", false, [this] { return disks_.ready(); }},
        };
    }

    task<result<void>> start() override {
        co_await app_.start();
        disks_.start();
        co_return result<void>{};
    }
    task<> stop() override {
        co_await app_.stop();
        co_await disks_.stop();
        co_await engine_.stop();
    }

 private:
    task<result<std::string>> ffmpeg_ready() {
        const auto state = app_.ready();
        if (!state.ready) {
            co_return fail(errc::unavailable, "ffmpeg_not_usable");
        }
        co_return state.ffmpeg_version;
    }

    durable::temporal_engine engine_;
    service::bucket raw_;
    service::bucket processed_;
    service::disk_watch disks_;
    app app_;
};

}  // namespace

service::program make_program() {
    auto p = service::program_of<settings, process>(
        "vora-worker", "probes and encodes what the workflow engine hands out; keeps nothing");
    p.front = false;
    return p;
}

}  // namespace vora::worker
