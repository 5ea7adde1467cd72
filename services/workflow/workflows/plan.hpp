#pragma once
// From facts to a plan: which renditions, which frame rate, which limits. Pure: the same facts give
// the same plan on every replay.

#include "contracts/activities/media.hpp"
#include "contracts/activities/workflows.hpp"

#include <expected>
#include <string>
#include <vector>

namespace vora::workflow {

// Why an input does not become a video. The code is one of api.md's.
struct refusal {
    std::string code;
    std::string detail;
};

std::expected<contracts::encode_plan, refusal> plan_encode(const contracts::probe_facts& facts,
                                                           const contracts::ingest_input& in);

// The rungs for a picture of this size, largest first; never empty, never larger than the source.
std::vector<contracts::rung_plan> plan_ladder(int width, int height, double fps);

// One constant rate for all rungs, between 1 and 60: the source's own when it is constant, else the
// nearest sensible one.
double plan_frame_rate(const contracts::probe_facts& facts);

// The rates that are not whole numbers are these exact quotients.
inline constexpr double rate_23_976 = 24000.0 / 1001.0;
inline constexpr double rate_29_970 = 30000.0 / 1001.0;
inline constexpr double rate_59_940 = 60000.0 / 1001.0;

}  // namespace vora::workflow
