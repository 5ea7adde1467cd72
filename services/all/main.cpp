// The `vora` program: `vora up`, and the CLI.

#include "cli/commands.hpp"
#include "services/all/config_command.hpp"
#include "services/all/config_flags.hpp"
#include "services/all/event_engine.hpp"
#include "services/all/operator_commands.hpp"
#include "services/all/up.hpp"

#include <CLI/CLI.hpp>

int main(int argc, char** argv) {
    CLI::App app{"Vora: a self-hosted video platform"};
    app.require_subcommand(1);
    app.set_version_flag("--version", "vora " VORA_VERSION);
    app.set_help_all_flag("--help-all", "help of every verb");
    int exit_code = 0;

    vora::all::up_options up;
    auto* verb = app.add_subcommand("up", "run the whole platform in this process");
    verb->add_option("--data", up.data_dir, "where everything is kept")->capture_default_str();
    verb->add_option("--listen", up.listen, "HOST:PORT")->capture_default_str();
    bool no_open = false;
    verb->add_flag("--no-open", no_open, "do not open a browser");
    verb->add_flag("--demo", up.demo, "upload a sample video, once per data directory");
    verb->allow_extras();
    verb->footer([] { return vora::all::config_keys_in_words(); });
    verb->callback([&] {
        up.open_browser = !no_open;
        up.config_flags = vora::all::config_flags(verb->remaining());
        exit_code = vora::all::run_up(up);
    });
    auto* events = app.add_subcommand("event-engine", "the embedded event engine");
    events->require_subcommand(1);
    events->add_subcommand("fetch", "fetch its library now, as `vora up` does in the background")
        ->callback([&] { exit_code = vora::all::fetch_event_engine(); });
    vora::all::operator_commands operators(app, exit_code);
    vora::cli::commands commands(app, exit_code);

    CLI11_PARSE(app, argc, argv);
    return exit_code;
}
