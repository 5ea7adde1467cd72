#pragma once
// The little of a sequence parameter set that a playlist must tell the truth about.

#include "libs/base/result.hpp"

#include <string>
#include <string_view>

namespace vora::worker {

struct sps_facts {
    int profile = 0;
    int constraints = 0;
    int level = 0;
    int width = 0;  // after cropping
    int height = 0;
    std::string codec_text() const;  // RFC 6381, "avc1.640028"
    bool operator==(const sps_facts&) const = default;
};

// `nal`: with its header byte, emulation prevention still in. invalid_argument ("bad_sps").
result<sps_facts> parse_sps(std::string_view nal);

}  // namespace vora::worker
