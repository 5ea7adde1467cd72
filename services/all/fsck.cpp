#include "services/all/fsck.hpp"

#include "libs/config/config.hpp"
#include "libs/durable/engine_embedded/inspection.hpp"
#include "libs/service/stores/disk_watch.hpp"
#include "services/all/data_dir.hpp"
#include "services/all/fsck_check.hpp"
#include "services/all/platform.hpp"

#include <nlohmann/json.hpp>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

extern char** environ;

namespace vora::all {

using service::bytes_in_words;

namespace {

constexpr int could_not_look = 2;

int complain(const error& e) {
    std::fprintf(stderr, "vora: %s\n", e.detail.empty() ? e.reason.c_str() : e.detail.c_str());
    return could_not_look;
}

// On a terminal, redrawn in place.
void show_progress(const std::string& text) {
    if (isatty(STDERR_FILENO) != 0) {
        std::fprintf(stderr, "\r\033[K%s", text.c_str());
    }
}

void print_json(const fsck_check& check, bool repair) {
    auto list = nlohmann::ordered_json::array();
    for (const auto& f : check.findings()) {
        list.push_back({{"kind", f.kind},
                        {"subject", f.subject},
                        {"detail", f.detail},
                        {"size_bytes", f.size_bytes},
                        {"remedy", f.remedy},
                        {"repaired", f.repaired}});
    }
    const auto& n = check.counts();
    const nlohmann::ordered_json report{
        {"repair", repair}, {"videos", n.videos}, {"uploads", n.uploads}, {"objects", n.objects},
        {"bytes", n.bytes}, {"young", n.young},   {"findings", list}};
    std::printf("%s\n", report.dump(2).c_str());
}

void print_text(const fsck_check& check, bool repair) {
    std::size_t mendable = 0;
    for (const auto& f : check.findings()) {
        const auto what = f.repaired         ? std::string("repaired")
                          : f.remedy.empty() ? std::string("look at it")
                                             : "to repair: " + f.remedy;
        std::printf("%-14s %s  %s (%s; %s)\n", f.kind.c_str(), f.subject.c_str(), f.detail.c_str(),
                    bytes_in_words(f.size_bytes).c_str(), what.c_str());
        mendable += !f.repaired && !f.remedy.empty() ? 1 : 0;
    }
    const auto& n = check.counts();
    std::printf("%llu videos, %llu uploads, %llu objects, %s: %zu findings",
                static_cast<unsigned long long>(n.videos),
                static_cast<unsigned long long>(n.uploads),
                static_cast<unsigned long long>(n.objects), bytes_in_words(n.bytes).c_str(),
                check.findings().size());
    if (n.young > 0) {
        std::printf(", %llu too young to be judged (--all judges them)",
                    static_cast<unsigned long long>(n.young));
    }
    std::printf("\n");
    if (mendable > 0 && !repair) {
        std::printf("Nothing was changed. `vora fsck --repair` mends %zu of them.\n", mendable);
    }
}

}  // namespace

int run_fsck(const fsck_options& options) {
    std::error_code unreadable;
    if (!std::filesystem::exists(options.data_dir + "/db/metadata.sqlite", unreadable)) {
        return complain({errc::not_found, "no_data_dir",
                         "no Vora data in " + options.data_dir + " (--data DIR)"});
    }
    auto dir = data_dir::open(options.data_dir);
    if (!dir) {
        return complain(dir.error());
    }
    auto config = platform_config::for_data_dir(*dir);
    config::schema schema;
    config.bind(schema);
    if (auto r = schema.load(dir->file("vora.toml"), environ, options.config_flags); !r) {
        return complain(r.error());
    }
    const auto facts = config.facts();
    const auto database = metadata::database_path(facts.database);
    if (!database) {
        return complain(database.error());
    }
    if (auto r = metadata::check_database(*database); !r) {
        return complain({r.error().code, r.error().reason, *database + ": " + r.error().reason});
    }
    blocking_pool pool(2);
    event_loop loop;
    // Not tidied: a look changes nothing.
    blob::file_store raw(dir->file("store/bucket-raw"), pool, false);
    blob::file_store processed(dir->file("store/bucket-processed"), pool, false);
    metadata::inventory videos(pool, *database);
    if (auto r = videos.open(); !r) {
        return complain(r.error());
    }
    const auto age = options.all ? std::chrono::seconds(0) : facts.longest_work;
    fsck_check check({dir->path(), facts.scratch_dir, raw, processed, videos,
                      system_clock_source().now() + (options.all ? 1h : 0h), age, options.repair,
                      show_progress});
    const auto looked = loop.run_until_done(check.run());
    show_progress("");
    if (options.json) {
        print_json(check, options.repair);
    } else {
        print_text(check, options.repair);
    }
    if (!looked) {
        return complain(looked.error());
    }
    const bool left =
        std::ranges::any_of(check.findings(), [](const fsck_finding& f) { return !f.repaired; });
    return left ? 1 : 0;
}

}  // namespace vora::all
