#include "services/all/config_command.hpp"

#include "libs/config/config.hpp"
#include "services/all/platform.hpp"

#include <nlohmann/json.hpp>

#include <cstdio>
#include <filesystem>
#include <sstream>

extern char** environ;

namespace vora::all {

namespace {

std::string absolute(const std::string& dir) {
    std::error_code failed;
    const auto path = std::filesystem::weakly_canonical(dir, failed).string();
    return failed || path.empty() ? dir : path;
}

// "postgresql://user:secret@host/db" -> "postgresql://user:***@host/db"
std::string without_password(std::string value) {
    const auto scheme = value.find("://");
    const auto at = value.find('@', scheme == std::string::npos ? 0 : scheme);
    const auto colon = value.find(':', scheme == std::string::npos ? 0 : scheme + 3);
    if (scheme != std::string::npos && at != std::string::npos && colon < at) {
        value.replace(colon + 1, at - colon - 1, "***");
    }
    return value;
}

std::vector<error> load(const config_options& options, platform_config& values,
                        config::schema& schema) {
    values.bind(schema);
    return schema.load_all(absolute(options.data_dir) + "/vora.toml", environ,
                           options.config_flags);
}

int complain(const std::vector<error>& wrong) {
    for (const auto& e : wrong) {
        std::fprintf(stderr, "vora: %s\n", e.detail.c_str());
    }
    return wrong.empty() ? 0 : 1;
}

}  // namespace

int run_config_check(const config_options& options) {
    auto values = platform_config::for_path(absolute(options.data_dir));
    config::schema schema;
    const auto wrong = load(options, values, schema);
    if (options.json) {
        auto list = nlohmann::json::array();
        for (const auto& e : wrong) {
            list.push_back({{"code", e.reason}, {"detail", e.detail}});
        }
        std::printf("%s\n", list.dump(2).c_str());
        return wrong.empty() ? 0 : 1;
    }
    if (wrong.empty()) {
        std::printf("The configuration is valid.\n");
    }
    return complain(wrong);
}

int run_config_show(const config_options& options) {
    auto values = platform_config::for_path(absolute(options.data_dir));
    config::schema schema;
    const auto wrong = load(options, values, schema);
    auto list = nlohmann::ordered_json::array();
    for (const auto& e : schema.entries()) {
        const auto shown = without_password(e.value);
        if (options.json) {
            list.push_back(
                {{"key", e.key}, {"value", shown}, {"source", e.source}, {"help", e.help}});
        } else {
            std::printf("%-34s = %-30s # %s\n", e.key.c_str(), shown.c_str(), e.source.c_str());
        }
    }
    if (options.json) {
        std::printf("%s\n", list.dump(2).c_str());
    }
    return complain(wrong);
}

std::string config_keys_in_words() {
    auto values = platform_config::for_path("DIR");
    config::schema schema;
    values.bind(schema);
    std::ostringstream text;
    text << "Configuration keys: in DIR/vora.toml, as VORA_SECTION_KEY in the environment, or as "
            "--section.key=value; the later wins.\n";
    for (const auto& e : schema.entries()) {
        text << "  " << e.key << " = " << (e.value.empty() ? "\"\"" : e.value) << "\n      "
             << e.help << "\n";
    }
    return text.str();
}

}  // namespace vora::all
