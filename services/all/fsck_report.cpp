#include "services/all/fsck_report.hpp"

#include "libs/service/stores/disk_watch.hpp"

#include <nlohmann/json.hpp>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace vora::all {

using service::bytes_in_words;

namespace {

constexpr int could_not_look = 2;

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

void show_progress(const std::string& text) {
    if (isatty(STDERR_FILENO) != 0) {
        std::fprintf(stderr, "\r\033[K%s", text.c_str());
    }
}

int report(const fsck_check& check, const fsck_options& options, const result<void>& looked) {
    show_progress("");
    if (options.json) {
        print_json(check, options.repair);
    } else {
        print_text(check, options.repair);
    }
    if (!looked) {
        const auto& e = looked.error();
        std::fprintf(stderr, "vora: %s\n", e.detail.empty() ? e.reason.c_str() : e.detail.c_str());
        return could_not_look;
    }
    const bool left =
        std::ranges::any_of(check.findings(), [](const fsck_finding& f) { return !f.repaired; });
    return left ? 1 : 0;
}

}  // namespace vora::all
