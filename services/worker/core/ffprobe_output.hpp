#pragma once
// Facts out of ffprobe's answers. Pure; the answers come from a program that read hostile bytes, so
// nothing in them is believed without a check.

#include "contracts/activities/media.hpp"
#include "services/worker/core/failure.hpp"

#include <cstdint>
#include <string_view>

namespace vora::worker {

// -of json with the entries that probe_arguments asks for. Failures: input_damaged (not understood,
// or no stream at all).
media_result<contracts::probe_facts> parse_probe(std::string_view json);

// Counts the lines of the packet listing as they come, in constant memory.
class packet_scan {
 public:
    void line(std::string_view text);  // pts,dts,duration
    std::int64_t packets() const { return packets_; }
    double end_s() const { return end_s_; }  // on the file's own clock

 private:
    std::int64_t packets_ = 0;
    double end_s_ = 0;
};

}  // namespace vora::worker
