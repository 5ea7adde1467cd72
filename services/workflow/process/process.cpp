#include "services/workflow/process/process.hpp"

#include "contracts/activities/workflows.hpp"
#include "libs/config/config.hpp"
#include "libs/durable/engine_temporal/temporal_engine.hpp"
#include "libs/durable/engine_temporal/workflow_worker/workflow_worker.hpp"
#include "services/workflow/registry.hpp"

#include <utility>

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

constexpr std::chrono::milliseconds look_pause{2'000};
constexpr std::chrono::milliseconds look_timeout{1'500};  // /readyz waits for two seconds

durable::temporal_engine_options looking_at(const std::string& engine) {
    durable::temporal_engine_options o;
    o.address = durable::parse_temporal_url(engine).value();
    o.call_timeout = look_timeout;
    return o;
}

class process final : public service::instance {
 public:
    process(const service::host& h, const settings& s)
        : pool_(h.pool),
          log_(h.log.for_service("workflow")),
          name_space_(s.options().name_space),
          connected_(h.metrics.gauge("vora_workflow_connected", "1 while Temporal gives tasks")),
          server_(h.ex, looking_at(s.engine), log_, h.metrics),
          worker_(registry(), s.options(), log_, h.metrics),
          tasks_(h.ex) {}

    std::vector<service::dependency> dependencies() override {
        return {{"temporal", true, [this] { return connected(); }}};
    }

    // Connects by itself, for as long as it takes: /readyz says how it stands.
    task<result<void>> start() override {
        auto started = worker_.start();
        if (started) {
            tasks_.spawn(watch());
        }
        co_return started;
    }
    task<> stop() override {
        co_await tasks_.stop();
        co_await server_.stop();
        co_await pool_.run([this] { worker_.stop(); });
    }

 private:
    // Core tries again by itself when the server goes away, and says nothing: so the server is
    // asked too, whether it answers and knows the namespace.
    task<result<std::string>> connected() {
        auto there = co_await server_.check();
        if (!there) {
            co_return fail(there.error());
        }
        auto ready = worker_.ready();
        if (!ready) {
            co_return fail(ready.error());
        }
        co_return std::string("connected");
    }

    task<> watch() {
        std::string last;
        for (;;) {
            auto r = co_await connected();
            connected_.set(r ? 1 : 0);
            const std::string trouble = r ? "" : r.error().reason;
            if (trouble != std::exchange(last, trouble)) {
                tell(trouble, r ? "" : r.error().detail);
            }
            co_await sleep_for(look_pause);
        }
    }

    // Once when it begins, once when it is over.
    void tell(const std::string& trouble, const std::string& detail) {
        if (trouble.empty()) {
            log_.info("temporal_answers", {});
        } else if (trouble == "temporal_namespace_missing") {
            log_.error(trouble, {{"namespace", name_space_},
                                 {"detail", detail},
                                 {"remedy", "temporal operator namespace create -n " + name_space_ +
                                                " --retention 720h"}});
        } else {
            log_.warn("temporal_away", {{"reason", trouble}, {"detail", detail}});
        }
    }

    blocking_pool& pool_;
    obs::logger log_;
    std::string name_space_;
    obs::gauge& connected_;
    durable::temporal_engine server_;
    durable::temporal_workflow_worker worker_;
    task_group tasks_;
};

}  // namespace

service::program make_program() {
    auto p = service::program_of<settings, process>(
        "vora-workflow",
        "decides what happens to a video: runs the workflow definitions for Temporal");
    p.front = false;
    return p;
}

}  // namespace vora::workflow
