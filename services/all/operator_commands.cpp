#include "services/all/operator_commands.hpp"

#include "services/all/config_command.hpp"
#include "services/all/config_flags.hpp"
#include "services/all/demo.hpp"
#include "services/all/doctor.hpp"
#include "services/all/fsck.hpp"

#include <CLI/CLI.hpp>

namespace vora::all {

struct operator_commands::state {
    doctor_options doctor;
    fsck_options fsck;
    config_options config;
    demo_options demo;
};

namespace {

void add_data(CLI::App* verb, std::string& data_dir) {
    verb->add_option("--data", data_dir, "data directory")->capture_default_str();
    verb->allow_extras();  // --section.key=value
}

void add_doctor(CLI::App& app, doctor_options& o, int& exit_code) {
    auto* verb = app.add_subcommand("doctor", "say what is wrong, why, and what to do");
    add_data(verb, o.data_dir);
    verb->add_option("--listen", o.listen, "HOST:PORT that `vora up` is to have")
        ->capture_default_str();
    verb->add_flag("--json", o.json);
    verb->footer("Works while Vora runs and while it does not. Exit code: 0 all well, 1 problems.");
    verb->callback([&o, &exit_code, verb] {
        o.config_flags = config_flags(verb->remaining());
        exit_code = run_doctor(o);
    });
}

void add_fsck(CLI::App& app, fsck_options& o, int& exit_code) {
    auto* verb =
        app.add_subcommand("fsck", "compare databases and stores; Vora must not be running");
    add_data(verb, o.data_dir);
    verb->add_flag("--repair", o.repair, "remove orphans, mark what is lost (else: only look)");
    verb->add_flag("--all", o.all, "judge young things too");
    verb->add_flag("--json", o.json);
    verb->footer("Exit code: 0 nothing is left to do, 1 findings, 2 it could not look.");
    verb->callback([&o, &exit_code, verb] {
        o.config_flags = config_flags(verb->remaining());
        exit_code = run_fsck(o);
    });
}

void add_config(CLI::App& app, config_options& o, int& exit_code) {
    auto* config = app.add_subcommand("config", "check or show the configuration");
    config->require_subcommand(1);
    config->footer([] { return config_keys_in_words(); });
    const auto add = [&](const char* name, const char* help, int (*run)(const config_options&)) {
        auto* verb = config->add_subcommand(name, help);
        add_data(verb, o.data_dir);
        verb->add_flag("--json", o.json);
        verb->callback([&o, &exit_code, verb, run] {
            o.config_flags = config_flags(verb->remaining());
            exit_code = run(o);
        });
    };
    add("check", "everything that is wrong, with its line; exit code 1 then", run_config_check);
    add("show", "every key: the value that counts and where it comes from", run_config_show);
}

}  // namespace

operator_commands::operator_commands(CLI::App& app, int& exit_code)
    : state_(std::make_unique<state>()) {
    add_doctor(app, state_->doctor, exit_code);
    add_fsck(app, state_->fsck, exit_code);
    add_config(app, state_->config, exit_code);
    auto* demo = app.add_subcommand("demo", "")->group("");  // `vora up --demo` starts it
    demo->add_option("--data", state_->demo.data_dir)->required();
    demo->add_option("--ffmpeg", state_->demo.ffmpeg);
    demo->callback([this, &exit_code] { exit_code = run_demo(state_->demo); });
}

operator_commands::~operator_commands() = default;

}  // namespace vora::all
