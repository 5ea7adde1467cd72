#include "services/all/fsck.hpp"

#include "libs/blob/file/file_store.hpp"
#include "libs/config/config.hpp"
#include "services/all/data_dir.hpp"
#include "services/all/fsck_check.hpp"
#include "services/all/fsck_report.hpp"
#include "services/all/platform.hpp"
#include "services/all/stack_tools.hpp"

#include <cstdio>
#include <filesystem>

extern char** environ;

namespace vora::all {

namespace {

constexpr int could_not_look = 2;

int complain(const error& e) {
    std::fprintf(stderr, "vora: %s\n", e.detail.empty() ? e.reason.c_str() : e.detail.c_str());
    return could_not_look;
}

}  // namespace

int run_fsck(const fsck_options& options) {
    if (is_stack(options.data_dir)) {
        return run_stack_fsck(options);
    }
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
    if (auto r = metadata::check_database(facts.database); !r) {
        return complain({r.error().code, r.error().reason, *database + ": " + r.error().reason});
    }
    blocking_pool pool(2);
    event_loop loop;
    // Not tidied: a look changes nothing.
    blob::file_store raw(dir->file("store/bucket-raw"), pool, false);
    blob::file_store processed(dir->file("store/bucket-processed"), pool, false);
    metadata::inventory videos(loop.executor(), pool, facts.database);
    if (auto r = videos.open(); !r) {
        return complain(r.error());
    }
    const auto age = options.all ? std::chrono::seconds(0) : facts.longest_work;
    fsck_check check({dir->path(),
                      facts.scratch_dir,
                      {raw, raw},
                      {processed, processed},
                      videos,
                      system_clock_source().now() + (options.all ? 1h : 0h),
                      age,
                      options.repair,
                      show_progress});
    const auto looked = loop.run_until_done(check.run());
    return report(check, options, looked);
}

}  // namespace vora::all
