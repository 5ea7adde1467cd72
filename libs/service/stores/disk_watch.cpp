#include "libs/service/stores/disk_watch.hpp"

#include <sys/statvfs.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace vora::service {

namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t mark_most = std::uint64_t{1} << 30;
constexpr std::uint64_t mark_share = 20;  // a twentieth
constexpr auto look_lasts = 200ms;
constexpr auto metrics_every = 5s;

}  // namespace

blob::room disk_state::room(std::uint64_t more_bytes) const {
    const auto left = free_bytes > more_bytes ? free_bytes - more_bytes : 0;
    return left < mark_bytes / 2 ? blob::room::none
           : left < mark_bytes   ? blob::room::low
                                 : blob::room::ample;
}

result<disk_state> look_at_disk(const std::string& path, std::int64_t free_min_bytes) {
    struct statvfs s{};
    if (::statvfs(path.c_str(), &s) != 0) {
        return fail(errno == ENOENT ? errc::not_found : errc::unavailable, "disk_unreadable",
                    path + ": " + std::strerror(errno));
    }
    disk_state d;
    d.path = path;
    d.free_bytes = std::uint64_t{s.f_bavail} * s.f_frsize;
    d.total_bytes = std::uint64_t{s.f_blocks} * s.f_frsize;
    d.mark_bytes = free_min_bytes >= 0 ? static_cast<std::uint64_t>(free_min_bytes)
                                       : std::min(mark_most, d.total_bytes / mark_share);
    return d;
}

std::string bytes_in_words(std::uint64_t bytes) {
    constexpr std::array units{"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    auto value = static_cast<double>(bytes);
    std::size_t unit = 0;
    while (value >= 1024 && unit + 1 < units.size()) {
        value /= 1024;
        ++unit;
    }
    char text[32];
    std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return text;
}

disk_watch::disk_watch(executor ex, blocking_pool& pool, std::vector<std::string> paths,
                       std::int64_t free_min_bytes, obs::metrics& metrics)
    : pool_(pool),
      paths_(std::move(paths)),
      free_min_bytes_(free_min_bytes),
      free_(metrics.gauge("vora_disk_free_bytes", "room on the fullest disk that is written to")),
      mark_(metrics.gauge("vora_disk_free_min_bytes",
                          "below this no upload and no encode begins; below half of it appends "
                          "stop")),
      group_(std::move(ex)) {}

task<> disk_watch::refresh() {
    const auto now = std::chrono::steady_clock::now();
    if (!disks_.empty() && now - looked_ < look_lasts) {
        co_return;
    }
    auto seen = co_await pool_.run([paths = paths_, least = free_min_bytes_] {
        std::vector<disk_state> all;
        for (const auto& path : paths) {
            if (auto d = look_at_disk(path, least)) {
                all.push_back(std::move(*d));
            }
        }
        return all;
    });
    disks_ = std::move(seen);
    looked_ = now;
    // The one nearest to its mark speaks for all.
    const auto nearest = std::ranges::min_element(disks_, {}, [](const disk_state& d) {
        return static_cast<double>(d.free_bytes) - static_cast<double>(d.mark_bytes);
    });
    if (nearest != disks_.end()) {
        free_.set(static_cast<double>(nearest->free_bytes));
        mark_.set(static_cast<double>(nearest->mark_bytes));
    }
}

task<blob::room> disk_watch::look(std::uint64_t more_bytes) {
    co_await refresh();
    auto worst = blob::room::ample;
    for (const auto& d : disks_) {
        worst = std::max(worst, d.room(more_bytes));
    }
    co_return worst;
}

task<result<std::string>> disk_watch::ready() {
    const auto left = co_await look(0);
    if (left != blob::room::ample) {
        co_return fail(errc::unavailable, left == blob::room::low ? "disk_low" : "disk_full");
    }
    std::string text;
    for (const auto& d : disks_) {
        const auto words = bytes_in_words(d.free_bytes) + " free";
        if (text.find(words) == std::string::npos) {
            text += (text.empty() ? "" : ", ") + words;
        }
    }
    co_return text;
}

task<> disk_watch::keep_looking() {
    for (;;) {
        co_await refresh();
        co_await sleep_for(metrics_every);
    }
}

void disk_watch::start() {
    group_.spawn(keep_looking());
}

task<> disk_watch::stop() {
    co_await group_.stop();
}

}  // namespace vora::service
