#include "services/all/up.hpp"

#include "libs/config/config.hpp"
#include "services/all/data_dir.hpp"
#include "services/all/demo.hpp"
#include "services/all/platform.hpp"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

extern char** environ;

namespace vora::all {

namespace {

int complain(const error& e) {
    std::fprintf(stderr, "vora: %s\n", e.detail.empty() ? e.reason.c_str() : e.detail.c_str());
    return 1;
}

// A desktop's browser, where there is one. Never waited for.
void open_browser(const std::string& url) {
    if (isatty(STDOUT_FILENO) == 0 || std::getenv("DISPLAY") == nullptr) {
        return;
    }
    if (fork() == 0) {
        if (fork() == 0) {
            execlp("xdg-open", "xdg-open", url.c_str(), static_cast<char*>(nullptr));
        }
        _exit(0);
    }
}

void print_welcome(const platform& p, const data_dir& dir) {
    std::printf("\n  Vora is ready.\n\n");
    std::printf("  Studio     %s   (works once; `vora studio` prints another)\n",
                p.studio_url().c_str());
    std::printf("  API token  %s\n", dir.file("api.token").c_str());
    std::printf("  Data       %s\n\n", dir.path().c_str());
    std::printf("  Upload from a shell:  vora upload FILE --data %s --wait\n", dir.path().c_str());
    std::printf("  Stop with Ctrl-C.\n\n");
    std::fflush(stdout);
}

}  // namespace

int run_up(const up_options& options) {
    auto dir = data_dir::open(options.data_dir);
    if (!dir) {
        return complain(dir.error());
    }
    platform_config config = platform_config::for_data_dir(*dir);
    config.listen = options.listen;
    config::schema schema;
    config.bind(schema);
    if (auto r = schema.load(dir->file("vora.toml"), environ, options.config_flags); !r) {
        return complain(r.error());
    }
    const auto ffmpeg = config.facts().ffmpeg;
    try {
        platform p(*dir, std::move(config));
        if (auto r = p.start(); !r) {
            return complain(r.error());
        }
        print_welcome(p, *dir);
        if (options.open_browser) {
            open_browser(p.studio_url());
        }
        const auto demo = options.demo ? start_demo({dir->path(), ffmpeg}) : 0;
        p.run_until_signal();
        end_demo(demo);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "vora: cannot start: %s\n", e.what());
        return 1;
    }
    return 0;
}

}  // namespace vora::all
