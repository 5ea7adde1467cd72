#include "services/worker/core/prober.hpp"

#include "libs/base/fault_point.hpp"
#include "services/worker/core/ffprobe_output.hpp"
#include "services/worker/core/tool_arguments.hpp"
#include "services/worker/core/verdict.hpp"

namespace vora::worker {

namespace {

using namespace std::chrono_literals;

constexpr std::int64_t pixels_without_limit = std::int64_t{16'384} * 16'384;

tool_limits probe_limits() {
    tool_limits limits;
    limits.wall = 25s;
    limits.cpu = 20s;
    return limits;
}

}  // namespace

std::int64_t tool_pixels_max(std::int64_t pixels_max) {
    return pixels_max > 0 ? pixels_max + pixels_max / 4 + 1'000'000 : pixels_without_limit;
}

prober::prober(blob::reader& raw, media_tools& tools, workspace& places, blocking_pool& pool)
    : raw_(raw), tools_(tools), places_(places), pool_(pool) {}

task<media_result<contracts::probe_facts>> prober::probe(contracts::probe_input in, attempt& a) {
    a.progress("probing", 0, -1);
    auto place = co_await places_.open_job();
    if (!place) {
        co_return storage_failed(place.error());
    }
    auto facts = co_await probe_in(**place, in, a);
    co_await (*place)->remove();
    fault_point("worker.mid_probe");
    co_return facts;
}

task<media_result<contracts::probe_facts>> prober::probe_in(const job_directory& place,
                                                            const contracts::probe_input& in,
                                                            attempt& a) {
    auto source = co_await fetch_source(raw_, pool_, in.source_key, place.path());
    if (!source) {
        co_return std::unexpected(source.error());
    }
    tool_call call;
    call.which = tool::ffprobe;
    call.arguments = probe_arguments(source->format, tool_pixels_max(in.limits.pixels_max));
    call.directory = place.path();
    call.limits = probe_limits();
    auto exit = co_await tools_.run(call, [&a] { return a.should_stop(); });
    auto judged = judge_probe(exit, source->format.certain);
    if (!judged) {
        co_return std::unexpected(judged.error());
    }
    auto facts = parse_probe(exit.output);
    if (!facts) {
        co_return facts;
    }
    facts->container = source->format.demuxer;
    facts->size_bytes = static_cast<std::int64_t>(source->size_bytes);
    if (!facts->has_video && !facts->has_audio && !source->format.certain) {
        co_return refuse("input_not_video", "the file is no video");
    }
    if (facts->has_video && facts->video_codec.empty()) {
        co_return refuse("input_unsupported_codec",
                         "the video is in a coding that is not supported");
    }
    if (facts->has_video) {
        auto scanned = co_await scan_packets(place, *source, *facts, a);
        if (!scanned) {
            co_return std::unexpected(scanned.error());
        }
    }
    co_return facts;
}

// Headers lie about lengths both ways, so the packets are counted. When that takes too long the
// facts stay without it.
task<media_result<>> prober::scan_packets(const job_directory& place, const source_file& source,
                                          contracts::probe_facts& facts, attempt& a) {
    auto scan = std::make_shared<packet_scan>();
    tool_call call;
    call.which = tool::ffprobe;
    call.arguments = packet_scan_arguments(source.format, facts.video_stream_index);
    call.directory = place.path();
    call.limits = probe_limits();
    call.limits.stdout_bytes_max = 512u << 20;
    call.on_line = [scan](std::string_view line) { scan->line(line); };
    auto exit = co_await tools_.run(call, [&a] { return a.should_stop(); });
    if (exit.ended == tool_exit::how::stopped) {
        co_return stopped();
    }
    if (exit.ended != tool_exit::how::exited) {
        co_return media_result<>{};
    }
    facts.video_packets = scan->packets();
    facts.video_end_s = std::max(0.0, scan->end_s() - facts.start_s);
    if (source.format.has_timestamps_only || facts.duration_s <= 0) {
        // Nothing is declared: what the tool says is a guess from the bit rate.
        facts.duration_s = facts.video_end_s;
        facts.video_duration_s = facts.video_end_s;
    }
    co_return media_result<>{};
}

}  // namespace vora::worker
