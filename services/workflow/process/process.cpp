#include "services/workflow/process/process.hpp"

#include "contracts/activities/workflows.hpp"
#include "libs/config/config.hpp"
#include "libs/durable/engine_temporal/temporal_address.hpp"
#include "libs/durable/engine_temporal/workflow_worker/workflow_worker.hpp"
#include "services/workflow/registry.hpp"

namespace vora::workflow {

namespace {

struct settings {
    std::string engine;
    std::int64_t cached_runs_max = 500;
    std::int64_t tasks_max = 16;
    std::chrono::seconds sticky_timeout{2};

    void bind(vora::config::schema& s) {
        s.add("workflow.engine", &engine, "temporal://HOST:PORT/NAMESPACE");
        s.add("workflow.cached_runs_max", &cached_runs_max,
              "runs kept in memory; others are built again from their history when they go on", 1);
        s.add("workflow.tasks_max", &tasks_max, "workflow tasks at once, each with a thread", 2);
        s.add("workflow.sticky_timeout_s", &sticky_timeout,
              "how long a task waits for a process that is gone before another may take it");
    }

    std::vector<std::string> check() const {
        auto wrong = service::missing({{"workflow.engine", engine}});
        if (wrong.empty()) {
            const auto address = durable::parse_temporal_url(engine);
            if (!address) {
                wrong.push_back("workflow.engine: " + address.error().detail);
            }
        }
        if (cached_runs_max > 100'000 || tasks_max > 1'000) {
            wrong.emplace_back("workflow.cached_runs_max or workflow.tasks_max is too large");
        }
        return wrong;
    }

    durable::temporal_worker_options options() const {
        durable::temporal_worker_options o;
        const auto address = durable::parse_temporal_url(engine).value();
        o.address = address.host_port;
        o.name_space = address.namespace_name;
        o.task_queue = contracts::ingest_video.task_queue;
        o.cached_runs_max = static_cast<std::uint32_t>(cached_runs_max);
        o.tasks_max = static_cast<std::uint32_t>(tasks_max);
        o.sticky_timeout = sticky_timeout;
        return o;
    }
};

class process final : public service::instance {
 public:
    process(const service::host& h, const settings& s)
        : pool_(h.pool),
          worker_(registry(), s.options(), h.log.for_service("workflow"), h.metrics) {}

    std::vector<service::dependency> dependencies() override {
        return {{"temporal", true, [this]() -> task<result<std::string>> {
                     auto ready = worker_.ready();
                     if (!ready) {
                         co_return fail(ready.error());
                     }
                     co_return std::string("connected");
                 }}};
    }

    // Connects by itself, for as long as it takes: /readyz says how it stands.
    task<result<void>> start() override { co_return worker_.start(); }
    task<> stop() override {
        co_await pool_.run([this] { worker_.stop(); });
    }

 private:
    blocking_pool& pool_;
    durable::temporal_workflow_worker worker_;
};

}  // namespace

service::program make_program() {
    const auto s = std::make_shared<settings>();
    service::program p;
    p.name = "vora-workflow";
    p.about = "decides what happens to a video: runs the workflow definitions for Temporal";
    p.front = false;
    p.bind = [s](vora::config::schema& schema) { s->bind(schema); };
    p.check = [s] { return s->check(); };
    p.make = [s](const service::host& h) { return std::make_unique<process>(h, *s); };
    return p;
}

}  // namespace vora::workflow
