#pragma once
// ffmpeg's -progress lines to per cent and time left.

#include <cstdint>
#include <string_view>

namespace vora::worker {

class encode_progress {
 public:
    explicit encode_progress(double duration_s) : duration_s_(duration_s) {}

    // True at the end of a report.
    bool line(std::string_view text);
    double percent() const;  // 0 to 100
    std::int64_t frames() const { return frames_; }
    bool ended() const { return ended_; }
    // From the average speed so far; -1 while unknown.
    double eta_s(double elapsed_s) const;

 private:
    double duration_s_;
    double done_s_ = 0;
    std::int64_t frames_ = 0;
    bool ended_ = false;
};

}  // namespace vora::worker
