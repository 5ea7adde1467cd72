#pragma once
// Progress lines on stderr: redrawn in place on a terminal, silent otherwise.

#include <chrono>
#include <cstdint>
#include <string>

namespace vora::cli {

std::string bytes_in_words(double bytes);      // "12.3 MiB"
std::string seconds_in_words(double seconds);  // "1:05"

class progress_line {
 public:
    explicit progress_line(bool enabled);
    ~progress_line();
    progress_line(const progress_line&) = delete;
    void show(const std::string& text);
    void clear();

 private:
    bool enabled_;
    bool shown_ = false;
};

// Bytes, rate and ETA of a transfer. The rate is that of this run, over the last ten seconds or so.
class transfer_meter {
 public:
    transfer_meter(std::uint64_t start_bytes, std::uint64_t total_bytes);
    std::string line(std::uint64_t bytes);

 private:
    using clock = std::chrono::steady_clock;
    std::uint64_t total_bytes_;
    std::uint64_t mark_bytes_;
    clock::time_point mark_;
    double rate_ = 0;  // bytes a second, smoothed
};

}  // namespace vora::cli
