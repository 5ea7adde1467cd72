// The `vora` program: `vora up`, and the CLI.

#include "cli/commands.hpp"
#include "services/all/up.hpp"

#include <CLI/CLI.hpp>

namespace {

// Flags CLI11 did not know: "--section.key=value" are configuration, the rest is an error.
std::vector<std::string> config_flags(const std::vector<std::string>& extras) {
    std::vector<std::string> flags;
    for (const auto& extra : extras) {
        const auto dot = extra.find('.');
        const auto equals = extra.find('=');
        if (!extra.starts_with("--") || dot == std::string::npos || equals == std::string::npos ||
            equals < dot) {
            throw CLI::ExtrasError("up",
                                   {extra + " (configuration is written --section.key=value)"});
        }
        flags.push_back(extra.substr(2));
    }
    return flags;
}

}  // namespace

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
    verb->allow_extras();
    verb->footer("Any configuration key can be given as --section.key=value.");
    verb->callback([&] {
        up.open_browser = !no_open;
        up.config_flags = config_flags(verb->remaining());
        exit_code = vora::all::run_up(up);
    });
    vora::cli::commands commands(app, exit_code);

    CLI11_PARSE(app, argc, argv);
    return exit_code;
}
