#include "services/workflow/workflows/plan.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

namespace vora::workflow {

namespace {

using contracts::encode_plan;
using contracts::ingest_input;
using contracts::probe_facts;
using contracts::rung_plan;

constexpr double segment_s = 4;
// One decoded frame becomes at most this many: a gap in the timestamps must not make a worker
// encode the same picture for hours.
constexpr double repeats_max = 20;
constexpr double repeats_free = 1'500;  // frames that may be repeats whatever the rule says

struct rung_base {
    int short_side;
    double bitrate;  // at 16:9 and up to 30 fps
};
constexpr std::array<rung_base, 3> ladder{{{1080, 4'500'000}, {720, 2'500'000}, {360, 800'000}}};

constexpr std::array<double, 9> standard_rates{24,          rate_23_976, 25, rate_29_970, 30,
                                               rate_59_940, 48,          50, 60};
constexpr std::array<double, 16> sensible_rates{
    1, 2, 5, 8, 10, 12, 15, 20, rate_23_976, 24, 25, rate_29_970, 30, 50, rate_59_940, 60};

int even_down(int n) {
    return std::max(2, n / 2 * 2);
}

double target_bitrate(int width, int height, int short_side, double fps) {
    auto base = ladder.back();
    for (const auto& rung : ladder) {
        if (rung.short_side == short_side) {
            base = rung;
        }
    }
    const double pixels_usual = base.short_side * base.short_side * 16.0 / 9.0;
    const double size = static_cast<double>(width) * height / pixels_usual;
    const double rate = std::max(1.0, fps / 30.0);
    const double wanted = base.bitrate * std::pow(size, 0.75) * std::sqrt(rate);
    return std::clamp(wanted, 100'000.0, 12'000'000.0);
}

rung_plan make_rung(int width, int height, int short_side, double fps) {
    const int source_short = std::min(width, height);
    const int source_long = std::max(width, height);
    const double scaled = static_cast<double>(source_long) * short_side / source_short;
    const int long_side = std::min(std::max(2, static_cast<int>(std::lround(scaled / 2)) * 2),
                                   even_down(source_long));
    rung_plan rung;
    rung.name = std::to_string(short_side) + "p";
    rung.width = width >= height ? std::max(long_side, short_side) : short_side;
    rung.height = width >= height ? short_side : std::max(long_side, short_side);
    const double target = target_bitrate(rung.width, rung.height, short_side, fps);
    rung.video_bitrate_max = std::llround(target * 1.07 / 10'000) * 10'000;
    rung.crf = 21;
    return rung;
}

template <std::size_t N>
double nearest(const std::array<double, N>& rates, double rate) {
    double best = rates[0];
    for (const double candidate : rates) {
        if (std::abs(std::log(candidate / rate)) < std::abs(std::log(best / rate))) {
            best = candidate;
        }
    }
    return best;
}

bool is_close(double a, double b, double tolerance) {
    return std::abs(a - b) <= tolerance * b;
}

// A rate that is one of the usual ones but for rounding, else the rate to a thousandth.
double snap(double rate) {
    const double usual = nearest(standard_rates, rate);
    return is_close(rate, usual, 0.004) ? usual : std::round(rate * 1000) / 1000;
}

// 120 becomes 60 and 100 becomes 50: every second picture, not an uneven choice of them.
double below_cap(double rate) {
    for (const int divisor : {1, 2, 4}) {
        const double divided = rate / divisor;
        const double usual = nearest(standard_rates, divided);
        if (divided <= 60.5 && is_close(divided, usual, 0.01)) {
            return usual;
        }
    }
    return std::min(rate, 60.0);
}

double duration_of(const probe_facts& facts) {
    return std::max({facts.duration_s, facts.video_duration_s, facts.video_end_s});
}

std::string number(double n) {
    return std::to_string(std::llround(n));
}

}  // namespace

double plan_frame_rate(const probe_facts& facts) {
    const double average = facts.fps;
    const double nominal = facts.fps_nominal;
    const bool nominal_sane = nominal >= 1 && nominal <= 240;
    double rate = 25;
    if (average <= 0) {
        rate = nominal_sane ? below_cap(nominal) : 25;
    } else if (nominal_sane && is_close(average, nominal, 0.01)) {
        rate = snap(below_cap(nominal));
    } else if (nominal >= average && nominal <= std::min(60.5, average * 1.35)) {
        // A camera that left pictures out: all it took have a place.
        rate = snap(nominal);
    } else if (average < 15 && nominal >= 15 && nominal <= 60) {
        // Long stills between moving parts (screen recordings): the moving parts decide.
        rate = snap(nominal);
    } else {
        rate = nearest(sensible_rates, std::clamp(average, 1.0, 60.0));
    }
    const double duration = duration_of(facts);
    if (facts.video_packets > 0 && duration > 0) {
        const auto packets = static_cast<double>(facts.video_packets);
        const double frames_max = packets * repeats_max + repeats_free;
        if (duration * rate > frames_max) {
            rate = std::max(1.0, std::floor(frames_max / duration));
        }
    }
    return std::clamp(rate, 1.0, 60.0);
}

std::vector<rung_plan> plan_ladder(int width, int height, double fps) {
    const int short_side = std::min(width, height);
    std::vector<rung_plan> rungs;
    for (const auto& base : ladder) {
        if (base.short_side <= short_side) {
            rungs.push_back(make_rung(width, height, base.short_side, fps));
        }
    }
    if (rungs.empty()) {
        rungs.push_back(make_rung(width, height, even_down(short_side), fps));
    }
    return rungs;
}

std::expected<encode_plan, refusal> plan_encode(const probe_facts& facts, const ingest_input& in) {
    const auto refuse = [](std::string code, std::string detail) {
        return std::unexpected(refusal{std::move(code), std::move(detail)});
    };
    if (!facts.has_video) {
        return refuse("input_no_video", "the file has no video track");
    }
    if (facts.width <= 0 || facts.height <= 0) {
        return refuse("input_damaged", "the video track has no picture size");
    }
    const double duration = duration_of(facts);
    if (in.limits.duration_max_s > 0 && duration > static_cast<double>(in.limits.duration_max_s)) {
        return refuse("input_too_long", "the video is " + number(duration) + " s long, at most " +
                                            std::to_string(in.limits.duration_max_s) +
                                            " s are allowed");
    }
    const std::int64_t pixels = std::max(std::int64_t{facts.width} * facts.height,
                                         std::int64_t{facts.coded_width} * facts.coded_height);
    if (in.limits.pixels_max > 0 && pixels > in.limits.pixels_max) {
        return refuse("input_too_many_pixels",
                      "a picture has " + std::to_string(pixels) + " pixels, at most " +
                          std::to_string(in.limits.pixels_max) + " are allowed");
    }
    encode_plan plan;
    plan.fps = plan_frame_rate(facts);
    plan.rungs = plan_ladder(facts.width, facts.height, plan.fps);
    plan.segment_s = segment_s;
    plan.audio = facts.has_audio;
    plan.video_stream_index = facts.video_stream_index;
    plan.audio_stream_index = facts.has_audio ? facts.audio_stream_index : -1;
    plan.duration_s = facts.video_duration_s > 0 ? facts.video_duration_s : facts.duration_s;
    plan.output_s_max = std::ceil(duration) + 10;
    plan.thumbnail_at_s =
        duration >= 10 ? std::min(duration / 10, 60.0) : std::min(1.0, duration / 2);
    if (in.cpu_factor_max > 0) {
        plan.cpu_seconds_max = 60 + std::llround(std::ceil(in.cpu_factor_max * duration));
    }
    return plan;
}

}  // namespace vora::workflow
