#include "libs/service/command_line.hpp"

#include <string_view>

namespace vora::service {

namespace {

bool is_setting(std::string_view word) {
    const auto dot = word.find('.');
    const auto equals = word.find('=');
    return word.starts_with("--") && dot != word.npos && equals != word.npos && dot < equals;
}

}  // namespace

result<command_line> parse_command_line(int argc, const char* const* argv) {
    constexpr std::string_view config = "--config=";
    command_line c;
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = argv[i];
        if (word == "--help" || word == "-h") {
            c.help = true;
        } else if (word == "--version") {
            c.version = true;
        } else if (word == "--check") {
            c.check = true;
        } else if (word == "--config" && i + 1 < argc) {
            c.config_file = argv[++i];
        } else if (word.starts_with(config) && word.size() > config.size()) {
            c.config_file = word.substr(config.size());
        } else if (is_setting(word)) {
            c.flags.emplace_back(word.substr(2));
        } else {
            return fail(errc::invalid_argument, "bad_command_line",
                        "\"" + std::string(word) +
                            "\" is not understood: --config FILE, --section.key=value, --check, "
                            "--version or --help");
        }
    }
    return c;
}

}  // namespace vora::service
