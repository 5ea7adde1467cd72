#include "services/all/doctor.hpp"

#include "libs/config/config.hpp"
#include "services/all/doctor_checks.hpp"
#include "services/all/platform.hpp"
#include "services/all/stack_tools.hpp"
#include "services/metadata/inventory.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <filesystem>

extern char** environ;

namespace vora::all {

namespace {

void add(diagnoses& to, diagnoses more) {
    std::ranges::move(more, std::back_inserter(to));
}

// What the server says of a thing that was looked at directly is said once.
void add_news(diagnoses& to, diagnoses more) {
    const auto known = [&to](const std::string& name) {
        return std::ranges::any_of(to, [&name](const diagnosis& d) {
            return d.check == name || (d.check == "store" && name.ends_with("_store")) ||
                   (d.check == "workflow_database" && name == "workflow_engine");
        });
    };
    std::erase_if(more, [&known](const diagnosis& d) { return known(d.check); });
    add(to, std::move(more));
}

diagnoses read_config(const doctor_options& options, doctor_facts& facts) {
    auto config = platform_config::for_path(facts.dir);
    config::schema schema;
    config.bind(schema);
    diagnoses all;
    for (const auto& e : schema.load_all(facts.dir + "/vora.toml", environ, options.config_flags)) {
        all.push_back({"config", e.reason, "the configuration is not valid", e.detail,
                       "correct it; `vora config check` looks again, `vora config show` lists all "
                       "keys"});
    }
    const auto told = config.facts();
    facts.scratch_dir = told.scratch_dir;
    facts.ffmpeg = told.ffmpeg;
    facts.disk_free_min_bytes = config.disk_free_min_bytes;
    if (auto path = metadata::database_path(told.database)) {
        facts.database = *path;
    } else {
        all.push_back({"config", "bad_config_value", "metadata.database is not usable",
                       path.error().detail, "write sqlite:PATH"});
    }
    return all;
}

void print_text(const diagnoses& all, const std::vector<std::string>& checks,
                const doctor_facts& facts) {
    for (const auto& name : checks) {
        const bool well =
            std::ranges::none_of(all, [&name](const diagnosis& d) { return d.check == name; });
        if (well) {
            std::printf("ok       %s\n", name.c_str());
        }
    }
    for (const auto& d : all) {
        std::printf("PROBLEM  %s: %s. %s.\n         %s.\n", d.check.c_str(), d.what.c_str(),
                    d.why.c_str(), d.remedy.c_str());
    }
    std::printf("%s: %s, %zu problem%s\n", facts.dir.c_str(),
                facts.server != 0 ? ("Vora runs as process " + process_in_words(facts.server) +
                                     " at " + facts.http)
                                        .c_str()
                                  : "Vora is not running",
                all.size(), all.size() == 1 ? "" : "s");
}

void print_json(const diagnoses& all, const doctor_facts& facts) {
    auto list = nlohmann::ordered_json::array();
    for (const auto& d : all) {
        list.push_back({{"check", d.check},
                        {"code", d.code},
                        {"what", d.what},
                        {"why", d.why},
                        {"remedy", d.remedy}});
    }
    const nlohmann::ordered_json report{
        {"data_dir", facts.dir}, {"running", facts.server != 0}, {"problems", std::move(list)}};
    std::printf(
        "%s\n",
        report.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
}

// `all` of a stack: its services have their own configuration, ports and databases.
std::vector<std::string> look_at_stack(diagnoses& all, doctor_facts& facts) {
    facts.ffmpeg = platform_config::for_path(facts.dir).facts().ffmpeg;
    facts.scratch_dir = facts.dir;
    add(all, check_stack(facts));
    add(all, check_disk(facts));
    return {"processes", "database", "store", "disk", "ffmpeg", "clock", "server"};
}

std::vector<std::string> look_at_directory(diagnoses& all, const doctor_options& options,
                                           doctor_facts& facts) {
    add(all, read_config(options, facts));
    std::vector<std::string> checks{"config", "port", "ffmpeg", "clock"};
    if (facts.dir_exists) {
        checks.insert(checks.end(),
                      {"server", "data_dir", "disk", "store", "database", "workflow_database"});
        add(all, check_holder(facts));
        add(all, check_data_dir(facts));
        add(all, check_disk(facts));
        add(all, check_writable(facts));
        add(all, check_databases(facts));
    }
    add(all, check_port(facts));
    return checks;
}

}  // namespace

int run_doctor(const doctor_options& options) {
    doctor_facts facts;
    std::error_code failed;
    facts.dir = std::filesystem::weakly_canonical(options.data_dir, failed).string();
    if (failed || facts.dir.empty()) {
        facts.dir = options.data_dir;
    }
    facts.dir_exists = std::filesystem::is_directory(facts.dir, failed);
    facts.listen = options.listen;

    diagnoses all;
    const auto checks =
        is_stack(facts.dir) ? look_at_stack(all, facts) : look_at_directory(all, options, facts);
    add(all, check_ffmpeg(facts));
    add(all, check_clock(facts));
    add_news(all, check_server(facts));
    if (options.json) {
        print_json(all, facts);
    } else {
        print_text(all, checks, facts);
    }
    return all.empty() ? 0 : 1;
}

}  // namespace vora::all
