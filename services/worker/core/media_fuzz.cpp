// Everything the worker reads that it has not written: heads of files, ffprobe's answers, segments.

#include "services/worker/core/ffprobe_output.hpp"
#include "services/worker/core/progress.hpp"
#include "services/worker/core/sniff.hpp"
#include "services/worker/core/ts_segment.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using vora::worker::encode_progress;
    using vora::worker::packet_scan;
    using vora::worker::segment_parser;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    (void)vora::worker::sniff(text);
    auto facts = vora::worker::parse_probe(text);
    if (facts && (facts->width < 0 || facts->height < 0 || facts->duration_s < 0)) {
        std::abort();
    }
    (void)vora::worker::parse_sps(text);
    packet_scan scan;
    scan.line(text);
    encode_progress progress(10);
    progress.line(text);
    if (!(progress.percent() >= 0 && progress.percent() <= 100)) {
        std::abort();
    }
    // The same bytes in two pieces give the same answer.
    segment_parser whole;
    segment_parser halves;
    const bool fed = whole.feed(text).has_value();
    const bool fed_twice = halves.feed(text.substr(0, size / 3)).has_value() &&
                           halves.feed(text.substr(size / 3)).has_value();
    if (fed != fed_twice) {
        std::abort();
    }
    if (fed && whole.finish().has_value() != halves.finish().has_value()) {
        std::abort();
    }
    return 0;
}
