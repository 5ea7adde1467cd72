#include "services/worker/core/progress.hpp"

#include "services/worker/core/tool_arguments.hpp"

#include <algorithm>
#include <charconv>

namespace vora::worker {

bool encode_progress::line(std::string_view text) {
    const auto equals = text.find('=');
    if (equals == text.npos) {
        return false;
    }
    const auto key = text.substr(0, equals);
    const auto value = text.substr(equals + 1);
    std::int64_t number = 0;
    const bool is_number =
        std::from_chars(value.data(), value.data() + value.size(), number).ec == std::errc();
    if (key == "out_time_us" && is_number) {
        done_s_ = std::max(done_s_, static_cast<double>(number) / 1e6);
    } else if (key == "frame" && is_number) {
        frames_ = std::max(frames_, number);
    } else if (key == "progress") {
        ended_ = ended_ || value == "end";
        return true;
    }
    return false;
}

double encode_progress::percent() const {
    if (ended_) {
        return 100;
    }
    return duration_s_ > 0 ? std::clamp(done_s_ / duration_s_ * 100, 0.0, 99.9) : 0;
}

double encode_progress::eta_s(double elapsed_s) const {
    if (ended_) {
        return 0;
    }
    if (done_s_ <= 0 || duration_s_ <= 0 || elapsed_s < 1) {
        return -1;
    }
    return std::max(0.0, (duration_s_ - done_s_) * elapsed_s / done_s_);
}

}  // namespace vora::worker
