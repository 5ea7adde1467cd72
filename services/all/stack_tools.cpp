#include "services/all/stack_tools.hpp"

#include "libs/config/config.hpp"
#include "libs/service/stores/bucket.hpp"
#include "services/all/fsck_report.hpp"
#include "services/all/platform.hpp"
#include "services/metadata/inventory.hpp"

#include <nlohmann/json.hpp>

#include <cstdio>
#include <fstream>
#include <optional>

namespace vora::all {

namespace {

using json = nlohmann::json;

// What the buckets need around them; nothing listens and nothing is logged.
struct frame {
    event_loop loop;
    blocking_pool pool{2};
    system_clock_source clock;
    obs::logger log = obs::logger::to_stderr(obs::level::error);
    obs::metrics metrics;
    service::host host{loop.executor(), pool, clock, log, metrics, {}, {}};
};

service::s3_settings s3_of(const std::map<std::string, std::string>& env) {
    service::s3_settings s;
    s.endpoint = env.at("VORA_S3_URL");
    s.access_key = env.at("VORA_S3_ACCESS_KEY");
    s.secret_key = env.at("VORA_S3_SECRET_KEY");
    return s;
}

int complain(const error& e) {
    std::fprintf(stderr, "vora: %s\n", e.detail.empty() ? e.reason.c_str() : e.detail.c_str());
    return 2;
}

// DIR/vora.toml is of all services, so it has keys that are nothing here.
std::chrono::seconds longest_work(const fsck_options& options) {
    auto config = platform_config::for_path(options.data_dir);
    config::schema schema;
    config.bind(schema);
    static_cast<void>(
        schema.load_all(options.data_dir + "/vora.toml", nullptr, options.config_flags));
    return config.facts().longest_work;
}

diagnosis database_problem(const error& e) {
    const auto remedy =
        e.reason == "database_missing" || e.reason == "database_too_old"
            ? "start vora-metadata: it makes and updates its tables"
        : e.reason == "database_too_new" ? "run the Vora that wrote it, or a later one"
        : e.reason == "database_read_only"
            ? "promote the standby, or name the primary"
            : "see DIR/log/postgres.log; `./vora stack restart postgres --data DIR`";
    return {"database", e.reason, "PostgreSQL cannot be worked with",
            e.detail.empty() ? e.reason : e.detail, remedy};
}

diagnoses check_buckets(const std::map<std::string, std::string>& env) {
    diagnoses all;
    frame f;
    const auto settings = s3_of(env);
    for (const auto* name : {"bucket-raw", "bucket-processed"}) {
        const service::bucket bucket(f.host, "store", std::string("s3:") + name, settings);
        const auto r = f.loop.run_until_done(bucket.ready(name).check());
        if (!r) {
            all.push_back({"store", r.error().reason, std::string(name) + " cannot be worked with",
                           r.error().detail.empty() ? r.error().reason : r.error().detail,
                           "see DIR/log/minio.log; `./vora stack restart minio --data DIR`"});
        }
    }
    return all;
}

diagnoses check_processes(const doctor_facts& facts) {
    std::ifstream in(facts.dir + "/stack.json");
    const auto listed = json::parse(in, nullptr, false);
    if (!in.is_open() || !listed.is_array()) {
        return {{"processes", "stack_not_running", "the stack does not run",
                 "there is no " + facts.dir + "/stack.json", "./vora stack up --data DIR"}};
    }
    diagnoses all;
    for (const auto& one : listed) {
        const auto name = one.value("name", "");
        const auto pid = one.value("pid", 0);
        if (pid <= 0 || !is_alive(pid)) {
            all.push_back({"processes", "process_gone", name + " is not running",
                           "process " + std::to_string(pid) + " is gone",
                           "`./vora stack restart " + name + " --data DIR`, and see " +
                               one.value("log", "its log")});
        }
    }
    return all;
}

// Who runs there, from DIR/run.json.
void find_edge(doctor_facts& facts) {
    std::ifstream in(facts.dir + "/run.json");
    const auto run = json::parse(in, nullptr, false);
    if (in.is_open() && run.is_object() && is_alive(run.value("pid", 0))) {
        facts.server = run.value("pid", 0);
        facts.http = run.value("http", "");
    }
}

}  // namespace

int run_stack_fsck(const fsck_options& options) {
    if (options.all && options.repair) {
        return complain({errc::invalid_argument, "all_and_repair",
                         "on a stack, which goes on meanwhile, --repair leaves young things alone: "
                         "--all is for looking"});
    }
    const auto env = read_stack_env(options.data_dir);
    if (!env) {
        return complain(env.error());
    }
    const auto database = env->at("VORA_POSTGRES_URL");
    if (auto r = metadata::check_database(database); !r) {
        return complain({r.error().code, r.error().reason,
                         "PostgreSQL: " + r.error().reason + ": " + r.error().detail});
    }
    frame f;
    const auto settings = s3_of(*env);
    const service::bucket raw(f.host, "store.raw", "s3:bucket-raw", settings);
    const service::bucket processed(f.host, "store.processed", "s3:bucket-processed", settings);
    metadata::inventory videos(f.loop.executor(), f.pool, database);
    if (auto r = videos.open(); !r) {
        return complain(r.error());
    }
    const auto age = options.all ? std::chrono::seconds(0) : longest_work(options);
    fsck_check check({"",
                      "",
                      {raw.reader(), raw.remover()},
                      {processed.reader(), processed.remover()},
                      videos,
                      f.clock.now() + (options.all ? 1h : 0h),
                      age,
                      options.repair,
                      show_progress});
    const auto looked = f.loop.run_until_done(check.run());
    return report(check, options, looked);
}

diagnoses check_stack(doctor_facts& facts) {
    const auto env = read_stack_env(facts.dir);
    if (!env) {
        return {{"stack", env.error().reason, "the stores cannot be found", env.error().detail,
                 "`./vora stack up --data DIR` writes it"}};
    }
    find_edge(facts);
    auto all = check_processes(facts);
    if (const auto r = metadata::check_database(env->at("VORA_POSTGRES_URL")); !r) {
        all.push_back(database_problem(r.error()));
    }
    for (auto& d : check_buckets(*env)) {
        all.push_back(std::move(d));
    }
    return all;
}

}  // namespace vora::all
