#include "cli/progress.hpp"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace vora::cli {

std::string bytes_in_words(double bytes) {
    static constexpr const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    std::size_t unit = 0;
    while (bytes >= 1024 && unit + 1 < std::size(units)) {
        bytes /= 1024;
        ++unit;
    }
    char text[32];
    std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
    return text;
}

std::string seconds_in_words(double seconds) {
    const auto whole = static_cast<long>(std::ceil(std::max(0.0, seconds)));
    char text[32];
    if (whole >= 3600) {
        std::snprintf(text, sizeof text, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60,
                      whole % 60);
    } else {
        std::snprintf(text, sizeof text, "%ld:%02ld", whole / 60, whole % 60);
    }
    return text;
}

progress_line::progress_line(bool enabled) : enabled_(enabled && isatty(STDERR_FILENO) == 1) {}

progress_line::~progress_line() {
    clear();
}

void progress_line::show(const std::string& text) {
    if (enabled_) {
        std::fprintf(stderr, "\r\033[K%s", text.c_str());
        shown_ = true;
    }
}

void progress_line::clear() {
    if (shown_) {
        std::fprintf(stderr, "\r\033[K");
        shown_ = false;
    }
}

transfer_meter::transfer_meter(std::uint64_t start_bytes, std::uint64_t total_bytes)
    : total_bytes_(total_bytes), mark_bytes_(start_bytes), mark_(clock::now()) {}

std::string transfer_meter::line(std::uint64_t bytes) {
    const auto now = clock::now();
    const double elapsed = std::chrono::duration<double>(now - mark_).count();
    if (elapsed >= 0.5) {
        const double rate = static_cast<double>(bytes - std::min(bytes, mark_bytes_)) / elapsed;
        rate_ = rate_ == 0 ? rate : 0.8 * rate_ + 0.2 * rate;
        mark_ = now;
        mark_bytes_ = bytes;
    }
    const double fraction =
        total_bytes_ == 0 ? 1 : static_cast<double>(bytes) / static_cast<double>(total_bytes_);
    const auto filled = static_cast<std::size_t>(fraction * 24);
    std::string bar = "[" + std::string(filled, '=') +
                      std::string(24 - std::min<std::size_t>(24, filled), ' ') + "] ";
    char percent[16];
    std::snprintf(percent, sizeof percent, "%3.0f %%  ", fraction * 100);
    std::string text = "uploading " + bar + percent + bytes_in_words(static_cast<double>(bytes)) +
                       " of " + bytes_in_words(static_cast<double>(total_bytes_));
    if (rate_ > 0) {
        text += "  " + bytes_in_words(rate_) + "/s  ETA " +
                seconds_in_words(static_cast<double>(total_bytes_ - bytes) / rate_);
    }
    return text;
}

}  // namespace vora::cli
