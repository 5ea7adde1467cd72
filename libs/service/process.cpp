#include "libs/service/process.hpp"

#include "libs/base/signals.hpp"
#include "libs/config/config.hpp"
#include "libs/net/server.hpp"
#include "libs/service/command_line.hpp"
#include "libs/service/or_throw.hpp"
#include "libs/service/settings.hpp"

#include <nlohmann/json.hpp>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <filesystem>

extern char** environ;

namespace vora::service {

namespace {

constexpr int cannot_start = 1;
constexpr int bad_command_line = 2;
constexpr std::size_t log_bytes_max = 64 << 20;
constexpr std::size_t log_files_max = 4;

enum class phase { starting, serving, stopping };

void bind_all(const program& p, settings& common, config::schema& schema) {
    if (p.front) {
        schema.add("server.listen", &common.listen, "public address; port 0 = any free one");
    }
    if (p.internal) {
        schema.add("server.internal_listen", &common.internal_listen,
                   "address for the other services; never reachable from outside");
    }
    schema.add("log.file", &common.log_file, "where the log goes; empty = stderr");
    common.bind(schema);
    p.bind(schema);
}

void print_help(const program& p, const config::schema& schema) {
    std::printf("%s: %s\n\n", p.name.c_str(), p.about.c_str());
    std::printf("  %s [--config FILE] [--section.key=value ...]\n", p.name.c_str());
    std::printf("  %s --check ...     say what is wrong with the configuration, start nothing\n\n",
                p.name.c_str());
    std::printf(
        "Keys: in FILE, as VORA_SECTION_KEY in the environment, or as --section.key=value; the "
        "later wins.\n");
    for (const auto& e : schema.entries()) {
        std::printf("  %s = %s\n      %s\n", e.key.c_str(),
                    e.value.empty() ? "\"\"" : e.value.c_str(), e.help.c_str());
    }
}

std::vector<std::string> mistakes(const program& p, const command_line& line,
                                  const settings& common, config::schema& schema) {
    std::error_code unreadable;
    if (!line.config_file.empty() && !std::filesystem::exists(line.config_file, unreadable)) {
        return {"--config " + line.config_file + ": there is no such file"};
    }
    std::vector<std::string> found;
    for (const auto& e : schema.load_all(line.config_file, environ, line.flags)) {
        found.push_back(e.detail);
    }
    if (const auto level = level_of(common.log_level); !level) {
        found.push_back(level.error().detail);
    }
    if (found.empty() && p.check) {
        found = p.check();
    }
    return found;
}

int complain(const program& p, const std::vector<std::string>& what) {
    for (const auto& one : what) {
        std::fprintf(stderr, "%s: %s\n", p.name.c_str(), one.c_str());
    }
    return cannot_start;
}

obs::logger open_log(const settings& common) {
    const auto least = level_of(common.log_level).value_or(obs::level::info);
    return common.log_file.empty()
               ? obs::logger::to_stderr(least)
               : obs::logger::to_file(common.log_file, least, log_bytes_max, log_files_max);
}

// Members stand from the most general to the most particular; they are destroyed the other way
// round.
class process {
 public:
    process(const program& p, const settings& common)
        : program_(p),
          common_(common),
          log_(open_log(common)),
          pool_(static_cast<std::size_t>(common.blocking_threads)),
          front_(loop_.executor(), common.front(p.open_path), {}, log_.for_service("front"),
                 metrics_),
          internal_(loop_.executor(), listener("internal", common.internal_listen), {},
                    log_.for_service("internal"), metrics_),
          admin_(loop_.executor(), listener("admin", common.admin_listen), {},
                 log_.for_service("admin"), metrics_) {}

    void serve_until_signal() {
        bind();
        service_ = program_.make({loop_.executor(), pool_, clock_, log_, metrics_,
                                  program_.front ? front_.address() : "",
                                  program_.internal ? internal_.address() : ""});
        set_routes();
        start_or_stop();
        announce();
        const int signal = loop_.run_until_done(next_signal({SIGINT, SIGTERM}));
        log_.info("stopping", {{"signal", signal}});
        loop_.run_until_done(stop());
        log_.info("stopped");
        log_.flush();
    }

 private:
    // All are bound before anything is touched, so that a port in use changes nothing.
    void bind() {
        if (program_.front) {
            or_throw(front_.bind(), "server.listen");
        }
        if (program_.internal) {
            or_throw(internal_.bind(), "server.internal_listen");
        }
        or_throw(admin_.bind(), "server.admin_listen");
    }

    void set_routes() {
        auto dependencies = service_->dependencies();
        // First: while it says no, the rest matters little.
        dependencies.insert(dependencies.begin(), {"process", true, [this] { return alive(); }});
        const auto health = health_routes(std::move(dependencies));
        auto outside = service_->public_routes();
        outside.merge(health);
        front_.set_routes(std::move(outside));
        auto inside = service_->internal_routes();
        inside.merge(health);
        internal_.set_routes(std::move(inside));
        auto admin = service_->admin_routes();
        admin.merge(health);
        admin.add("GET", "/metrics", [this](net::request&) -> task<net::response> {
            co_return net::response::text(200, metrics_.expose(), "text/plain; version=0.0.4");
        });
        admin_.set_routes(std::move(admin));
    }

    // What had begun is ended before anything is destroyed.
    void start_or_stop() {
        try {
            or_throw(loop_.run_until_done(start()));
        } catch (...) {
            loop_.run_until_done(stop());
            throw;
        }
    }

    // The admin listener first: a service that takes long to recover says so.
    task<result<void>> start() {
        if (auto r = admin_.start(); !r) {
            co_return fail(r.error());
        }
        auto started = co_await service_->start();
        if (!started) {
            co_return started;
        }
        for (auto* one :
             {program_.internal ? &internal_ : nullptr, program_.front ? &front_ : nullptr}) {
            if (one == nullptr) {
                continue;
            }
            if (auto r = one->start(); !r) {
                co_return fail(r.error());
            }
        }
        phase_ = phase::serving;
        co_return result<void>{};
    }

    task<> stop() {
        phase_ = phase::stopping;
        co_await front_.stop();
        co_await service_->stop();
        co_await internal_.stop();
        co_await admin_.stop();
    }

    task<result<std::string>> alive() {
        if (phase_ == phase::serving) {
            co_return program_.name;
        }
        co_return fail(errc::unavailable, phase_ == phase::starting ? "starting" : "stopping");
    }

    void announce() {
        const auto address = [](bool has, const net::server& s) {
            return has ? s.address() : std::string();
        };
        const auto outside = address(program_.front, front_);
        const auto inside = address(program_.internal, internal_);
        log_.info("listening",
                  {{"public", outside}, {"internal", inside}, {"admin", admin_.address()}});
        const nlohmann::ordered_json line{{"service", program_.name},
                                          {"pid", getpid()},
                                          {"public", outside},
                                          {"internal", inside},
                                          {"admin", admin_.address()}};
        std::printf("%s\n", line.dump().c_str());
        std::fflush(stdout);
    }

    const program& program_;
    settings common_;
    obs::logger log_;
    obs::metrics metrics_;
    system_clock_source clock_;
    event_loop loop_;
    blocking_pool pool_;
    net::server front_;
    net::server internal_;
    net::server admin_;
    phase phase_ = phase::starting;
    std::unique_ptr<instance> service_;
};

}  // namespace

int run(int argc, char** argv, const program& p) {
    const auto line = parse_command_line(argc, argv);
    if (!line) {
        complain(p, {line.error().detail});
        return bad_command_line;
    }
    settings common;
    config::schema schema;
    bind_all(p, common, schema);
    if (line->help) {
        print_help(p, schema);
        return 0;
    }
    if (line->version) {
        std::printf("%s %s\n", p.name.c_str(), VORA_VERSION);
        return 0;
    }
    if (const auto wrong = mistakes(p, *line, common, schema); !wrong.empty()) {
        return complain(p, wrong);
    }
    if (line->check) {
        std::printf("The configuration is valid.\n");
        return 0;
    }
    try {
        process(p, common).serve_until_signal();
    } catch (const std::exception& e) {
        return complain(p, {std::string("cannot start: ") + e.what()});
    }
    return 0;
}

std::vector<std::string> missing(
    std::initializer_list<std::pair<const char*, const std::string&>> needed) {
    std::vector<std::string> found;
    for (const auto& [key, value] : needed) {
        if (value.empty()) {
            found.push_back(std::string(key) + " is needed");
        }
    }
    return found;
}

}  // namespace vora::service
