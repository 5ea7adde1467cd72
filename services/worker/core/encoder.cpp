#include "services/worker/core/encoder.hpp"

#include "libs/base/fault_point.hpp"
#include "services/worker/core/progress.hpp"
#include "services/worker/core/stored_object.hpp"
#include "services/worker/core/tool_arguments.hpp"
#include "services/worker/core/verdict.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <string_view>
#include <thread>

namespace vora::worker {

namespace {

using namespace std::chrono_literals;
using contracts::encode_plan;
using contracts::input_finding;

constexpr int thumbnail_short_side = 360;

// What ffmpeg's reports say, written on the thread that reads them.
struct shared_progress {
    explicit shared_progress(double duration_s) : progress(duration_s) {}
    std::mutex mutex;
    encode_progress progress;
    std::chrono::steady_clock::time_point begun = std::chrono::steady_clock::now();

    void line(std::string_view text) {
        const std::lock_guard lock(mutex);
        if (progress.line(text) && progress.percent() > 33) {
            fault_point("worker.mid_encode");
        }
    }
    void report_to(attempt& a) {
        const std::lock_guard lock(mutex);
        const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begun;
        a.progress("encoding", progress.percent(), progress.eta_s(elapsed.count()));
    }
};

struct examined_rung {
    rung_segments rung;
    std::string first_error;  // why the segment after the last good one is none
};

result<segment_facts> examine_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    segment_parser parser;
    std::array<char, 64 * 1024> block{};
    while (in) {
        in.read(block.data(), block.size());
        auto fed =
            parser.feed(std::string_view(block.data(), static_cast<std::size_t>(in.gcount())));
        if (!fed) {
            return fail(fed.error());
        }
    }
    return parser.finish();
}

examined_rung examine_rung(const std::string& directory, std::string name, double fps) {
    examined_rung found;
    found.rung.name = std::move(name);
    found.rung.fps = fps;
    for (std::size_t n = 1;; ++n) {
        const auto path = directory + "/" + segment_name(n);
        std::error_code none;
        if (!std::filesystem::exists(path, none)) {
            return found;
        }
        auto facts = examine_file(path);
        if (!facts) {
            found.first_error = facts.error().reason;
            return found;
        }
        found.rung.segments.push_back(*facts);
    }
}

// After a failed run the last segments are unfinished, and not to the same extent: what all rungs
// have.
void keep_common(std::vector<rung_segments>& rungs) {
    std::size_t common = rungs.front().segments.size();
    for (const auto& rung : rungs) {
        common = std::min(common, rung.segments.size());
    }
    for (std::size_t n = 0; n < common; ++n) {
        for (const auto& rung : rungs) {
            if (rung.segments[n].frames != rungs.front().segments[n].frames) {
                common = n;
            }
        }
    }
    for (auto& rung : rungs) {
        rung.segments.resize(common);
    }
}

double length_s(const rung_segments& rung) {
    double total = 0;
    for (const double duration : segment_durations(rung)) {
        total += duration;
    }
    return total;
}

tool_limits encode_limits(const encode_plan& plan) {
    tool_limits limits;
    const auto duration = std::chrono::seconds(std::llround(std::ceil(plan.output_s_max)));
    limits.wall = 10min + 30 * duration;
    limits.cpu = plan.cpu_seconds_max > 0
                     ? std::chrono::seconds(plan.cpu_seconds_max)
                     : limits.wall * std::max(1u, std::thread::hardware_concurrency());
    limits.silence = 180s;
    limits.stdout_bytes_max = 1u << 30;
    return limits;
}

}  // namespace

bool is_sane(const encode_plan& plan) {
    static constexpr std::array<std::string_view, 9> presets{"ultrafast", "superfast", "veryfast",
                                                             "faster",    "fast",      "medium",
                                                             "slow",      "slower",    "veryslow"};
    const auto sane_rung = [](const contracts::rung_plan& rung) {
        return rung.width >= 2 && rung.height >= 2 && rung.width <= 16'384 &&
               rung.height <= 16'384 && rung.width % 2 == 0 && rung.height % 2 == 0 &&
               rung.video_bitrate_max > 0 && rung.crf >= 0 && rung.crf <= 51 &&
               rung.name == std::to_string(std::min(rung.width, rung.height)) + "p";
    };
    return !plan.rungs.empty() && plan.rungs.size() <= 8 &&
           std::all_of(plan.rungs.begin(), plan.rungs.end(), sane_rung) && plan.fps >= 1 &&
           plan.fps <= 120 && plan.segment_s >= 1 && plan.segment_s <= 30 &&
           plan.video_stream_index >= 0 && (!plan.audio || plan.audio_stream_index >= 0) &&
           plan.output_s_max > 0 && plan.output_s_max <= 1e7 &&
           std::find(presets.begin(), presets.end(), plan.preset) != presets.end();
}

encoder::encoder(blob::reader& raw, blob::reader& processed_reader, blob::writer& processed,
                 media_tools& tools, workspace& places, blocking_pool& pool,
                 encoder_settings settings)
    : raw_(raw),
      processed_reader_(processed_reader),
      processed_(processed),
      tools_(tools),
      places_(places),
      pool_(pool),
      settings_(std::move(settings)) {}

task<media_result<encoded_video>> encoder::encode(contracts::encode_input in, attempt& a) {
    if (!settings_.preset.empty()) {
        in.plan.preset = settings_.preset;
    }
    if (!is_sane(in.plan) || in.output_prefix.empty() || in.output_prefix.back() != '/') {
        co_return refuse("bad_plan", "the plan cannot be carried out");
    }
    a.progress("encoding", 0, -1);
    auto place = co_await places_.open_job();
    if (!place) {
        co_return storage_failed(place.error());
    }
    auto encoded = co_await encode_in(**place, in, a);
    co_await (*place)->remove();
    co_return encoded;
}

task<media_result<encoded_video>> encoder::encode_in(const job_directory& place,
                                                     const contracts::encode_input& in,
                                                     attempt& a) {
    auto source = co_await fetch_source(raw_, pool_, in.source_key, place.path());
    if (!source) {
        co_return std::unexpected(source.error());
    }
    auto made = co_await make_rungs(place, in.plan, *source, a);
    if (!made) {
        co_return std::unexpected(made.error());
    }
    encoded_video encoded;
    const bool sound_lost =
        in.plan.audio && made->exit.code != 0 && made->rungs.front().segments.empty();
    if (sound_lost) {
        // Nothing came of it: perhaps for the sound alone, whose header promised what cannot be
        // decoded.
        auto silent = in.plan;
        silent.audio = false;
        made = co_await make_rungs(place, silent, *source, a);
        if (!made) {
            co_return std::unexpected(made.error());
        }
    }
    encoded.result.duration_s = length_s(made->rungs.front());
    auto findings = judge_output(made->exit, in.plan.duration_s, encoded.result.duration_s);
    if (!findings) {
        co_return std::unexpected(findings.error());
    }
    encoded.result.input_report = std::move(*findings);
    if (sound_lost) {
        encoded.result.input_report.push_back({"damaged", "the sound cannot be decoded"});
    }
    auto thumbnail = co_await make_thumbnail(place, in.plan, made->rungs, a);
    if (!thumbnail) {
        co_return std::unexpected(thumbnail.error());
    }
    auto stored = co_await store(place, in, made->rungs, a);
    if (!stored) {
        co_return std::unexpected(stored.error());
    }
    for (const auto& rung : made->rungs) {
        encoded.result.renditions.push_back(measure(rung));
        encoded.frames += encoded.result.renditions.back().frames;
    }
    encoded.cpu_s = made->exit.cpu_s;
    encoded.wall_s = made->exit.wall_s;
    co_return encoded;
}

task<media_result<encoder::made_rungs>> encoder::make_rungs(const job_directory& place,
                                                            const encode_plan& plan,
                                                            const source_file& source, attempt& a) {
    auto exit = co_await run_encoder(place, plan, source, a);
    if (!exit) {
        co_return std::unexpected(exit.error());
    }
    auto rungs = co_await examine(place, plan, *exit, a);
    if (!rungs) {
        co_return std::unexpected(rungs.error());
    }
    co_return made_rungs{std::move(*exit), std::move(*rungs)};
}

task<media_result<tool_exit>> encoder::run_encoder(const job_directory& place,
                                                   const encode_plan& plan,
                                                   const source_file& source, attempt& a) {
    const auto path = place.path();
    const auto rungs = plan.rungs.size();
    auto made = co_await pool_.run([path, rungs] {
        std::error_code failed;
        for (std::size_t n = 0; n < rungs && !failed; ++n) {
            const auto rung = path + "/" + rung_directory(n);
            std::filesystem::remove_all(rung, failed);
            std::filesystem::create_directory(rung, failed);
        }
        return failed;
    });
    if (made) {
        co_return storage_failed(error{errc::unavailable, "scratch_unavailable", {}});
    }
    auto seen = std::make_shared<shared_progress>(plan.duration_s);
    tool_call call;
    call.which = tool::ffmpeg;
    call.arguments = encode_arguments(plan, source.format, settings_.threads);
    call.directory = path;
    call.limits = encode_limits(plan);
    call.on_line = [seen](std::string_view line) { seen->line(line); };
    auto exit = co_await tools_.run(call, [seen, &a] {
        seen->report_to(a);
        return a.should_stop();
    });
    auto judged = judge_encoder(exit);
    if (!judged) {
        co_return std::unexpected(judged.error());
    }
    co_return exit;
}

task<media_result<std::vector<rung_segments>>> encoder::examine(const job_directory& place,
                                                                const encode_plan& plan,
                                                                const tool_exit& exit, attempt& a) {
    std::vector<rung_segments> rungs;
    for (std::size_t n = 0; n < plan.rungs.size(); ++n) {
        const auto directory = place.path() + "/" + rung_directory(n);
        const auto name = plan.rungs[n].name;
        const auto fps = plan.fps;
        auto found = co_await pool_.run(
            [directory, name, fps] { return examine_rung(directory, name, fps); });
        if (a.should_stop()) {
            co_return stopped();
        }
        const bool nothing = found.rung.segments.empty() &&
                             (found.first_error.empty() || found.first_error == "ts_empty" ||
                              found.first_error == "ts_no_picture");
        if (exit.code == 0 && !found.first_error.empty() && !nothing) {
            co_return crashed("the encoder's output is not valid (" + found.first_error + ")");
        }
        rungs.push_back(std::move(found.rung));
    }
    if (exit.code != 0) {
        keep_common(rungs);
    }
    if (!rungs.front().segments.empty()) {
        auto checked = check_rungs(plan, rungs);
        if (!checked) {
            co_return crashed("the encoder's output is not valid (" + checked.error().reason + ")");
        }
    }
    co_return rungs;
}

// From the smallest rung: it is there, upright, of square pixels, and costs a fraction of the
// source.
task<media_result<>> encoder::make_thumbnail(const job_directory& place, const encode_plan& plan,
                                             const std::vector<rung_segments>& rungs, attempt& a) {
    const auto rung = rungs.size() - 1;
    const auto durations = segment_durations(rungs[rung]);
    double at_s = std::min(plan.thumbnail_at_s, length_s(rungs[rung]) * 0.5);
    std::size_t number = 0;
    while (number + 1 < durations.size() && at_s >= durations[number]) {
        at_s -= durations[number];
        ++number;
    }
    // The picture shown then began up to one frame before.
    at_s = std::max(0.0, (std::floor(at_s * plan.fps) - 0.5) / plan.fps);
    tool_call call;
    call.which = tool::ffmpeg;
    call.arguments =
        thumbnail_arguments(rung_directory(rung) + "/" + segment_name(number + 1), at_s,
                            thumbnail_short_side, plan.rungs[rung].width, plan.rungs[rung].height);
    call.directory = place.path();
    call.limits.wall = 60s;
    call.limits.cpu = 30s;
    auto exit = co_await tools_.run(call, [&a] { return a.should_stop(); });
    auto judged = judge_encoder(exit);
    if (!judged) {
        co_return std::unexpected(judged.error());
    }
    const auto path = place.path() + "/" + thumbnail_file;
    auto size = co_await pool_.run([path] {
        std::error_code none;
        return std::filesystem::exists(path, none) ? std::filesystem::file_size(path, none) : 0;
    });
    if (size == 0) {
        co_return crashed("no thumbnail could be made");
    }
    co_return media_result<>{};
}

task<media_result<>> encoder::store(const job_directory& place, const contracts::encode_input& in,
                                    std::vector<rung_segments>& rungs, attempt& a) {
    std::size_t done = 0;
    const auto total = rungs.size() * rungs.front().segments.size();
    for (std::size_t r = 0; r < rungs.size(); ++r) {
        const auto directory = place.path() + "/" + rung_directory(r) + "/";
        const auto prefix = in.output_prefix + rungs[r].name + "/";
        for (std::size_t n = 0; n < rungs[r].segments.size(); ++n) {
            if (a.should_stop()) {
                co_return stopped();
            }
            const auto name = segment_name(n + 1);
            auto stored =
                co_await store_segment(prefix + name, directory + name, rungs[r].segments[n]);
            if (!stored) {
                co_return stored;
            }
            a.progress("publishing",
                       100.0 * static_cast<double>(++done) / static_cast<double>(total), -1);
        }
        auto listed = co_await store_text(prefix + "playlist.m3u8",
                                          media_playlist(segment_durations(rungs[r])));
        if (!listed) {
            co_return listed;
        }
    }
    // A picture of an attempt before is as good as this one.
    auto picture = co_await processed_.put_file(in.output_prefix + "thumbnail.jpg",
                                                place.path() + "/" + thumbnail_file,
                                                blob::put_mode::create_only);
    if (!picture && picture.error().code != errc::already_exists) {
        co_return storage_failed(picture.error());
    }
    co_return media_result<>{};
}

// Two attempts of one plan make the same pictures at the same times, though not always the same
// bytes: the rate control of a threaded encoder depends on the timing of its threads. So a segment
// that is there already is read and stands, if it holds what this one holds.
task<media_result<>> encoder::store_segment(std::string key, std::string path,
                                            segment_facts& facts) {
    auto put = co_await processed_.put_file(key, path, blob::put_mode::create_only);
    if (put) {
        co_return media_result<>{};
    }
    if (put.error().code != errc::already_exists) {
        co_return storage_failed(put.error());
    }
    auto there = co_await examine_stored(processed_reader_, key);
    if (!there) {
        co_return std::unexpected(there.error());
    }
    auto expected = facts;
    expected.size_bytes = there->size_bytes;
    if (!(*there == expected)) {
        co_return refuse("output_conflict", "another output is in the way");
    }
    facts = *there;
    co_return media_result<>{};
}

task<media_result<>> encoder::store_text(std::string key, std::string text) {
    co_return co_await put_text_once(processed_, processed_reader_, std::move(key),
                                     std::move(text));
}

}  // namespace vora::worker
