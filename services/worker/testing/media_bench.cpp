#include "services/worker/testing/media_bench.hpp"

#include "services/worker/core/tool_arguments.hpp"

#include <stdlib.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace vora::worker {

namespace fs = std::filesystem;

std::string read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

void write_file(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
}

std::string shell(const std::string& command) {
    std::FILE* pipe = ::popen(command.c_str(), "r");
    std::string out;
    char block[4096];
    std::size_t count = 0;
    while (pipe != nullptr && (count = std::fread(block, 1, sizeof block, pipe)) > 0) {
        out.append(block, count);
    }
    if (pipe == nullptr || ::pclose(pipe) != 0) {
        std::fprintf(stderr, "failed: %s\n", command.c_str());
        std::exit(3);
    }
    return out;
}

temporary_directory::temporary_directory() {
    std::string name = fs::temp_directory_path().string() + "/vora-worker-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) {
        std::exit(3);
    }
    path_ = name;
}

temporary_directory::~temporary_directory() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
}

void fake_attempt::progress(std::string_view stage, double percent, double) {
    if (stages.empty() || stages.back() != stage) {
        stages.emplace_back(stage);
    }
    if (stage == "encoding") {
        percents.push_back(percent);
        reached_ = reached_ || (stop_at_percent >= 0 && percent >= stop_at_percent);
    }
}

media_bench::media_bench(ffmpeg_options options, encoder_settings settings)
    : raw(directory / "raw", pool),
      store(directory / "processed", pool),
      tools(pool, options),
      scratch(pool, directory / "scratch"),
      probes(raw, tools, scratch, pool),
      encodes(raw, store, store, tools, scratch, pool, settings) {
    auto prepared = loop.run_until_done(scratch.prepare());
    if (!prepared) {
        std::exit(3);
    }
}

media_bench::~media_bench() {
    loop.run_until_done(tools.stop());
}

void media_bench::make(const std::string& key, const std::string& ffmpeg_words) {
    const auto path = directory / ("made-" + fs::path(key).filename().string());
    shell("ffmpeg -nostdin -v error -y " + ffmpeg_words + " " + path);
    put(key, read_file(path));
}

void media_bench::put(const std::string& key, const std::string& bytes) {
    auto done = loop.run_until_done(raw.put(key, bytes, blob::put_mode::overwrite));
    if (!done) {
        std::exit(3);
    }
}

std::string media_bench::raw_bytes(const std::string& key) {
    return read_file(directory / ("raw/" + key));
}

media_result<contracts::probe_facts> media_bench::probe(const std::string& key,
                                                        contracts::media_limits limits) {
    fake_attempt a;
    contracts::probe_input in;
    in.source_key = key;
    in.limits = limits;
    return loop.run_until_done(probes.probe(in, a));
}

media_result<encoded_video> media_bench::encode(const contracts::encode_input& in,
                                                fake_attempt* a) {
    fake_attempt own;
    return loop.run_until_done(encodes.encode(in, a == nullptr ? own : *a));
}

contracts::encode_plan media_bench::plan(const contracts::probe_facts& facts,
                                         std::vector<std::string> sizes) {
    contracts::encode_plan p;
    for (const auto& size : sizes) {
        contracts::rung_plan rung;
        std::sscanf(size.c_str(), "%dx%d", &rung.width, &rung.height);
        rung.name = std::to_string(std::min(rung.width, rung.height)) + "p";
        rung.video_bitrate_max = 800'000;
        rung.crf = 23;
        p.rungs.push_back(rung);
    }
    p.fps = facts.fps > 0 ? facts.fps : 25;
    p.audio = facts.has_audio;
    p.video_stream_index = facts.video_stream_index;
    p.audio_stream_index = facts.audio_stream_index;
    p.duration_s = facts.video_duration_s > 0 ? facts.video_duration_s : facts.duration_s;
    p.output_s_max = std::ceil(std::max(p.duration_s, facts.video_end_s)) + 10;
    p.thumbnail_at_s = std::min(1.0, p.duration_s / 2);
    return p;
}

media_result<encoded_video> media_bench::encode(const std::string& key,
                                                std::vector<std::string> sizes,
                                                const std::string& prefix) {
    auto facts = probe(key);
    if (!facts) {
        return std::unexpected(facts.error());
    }
    contracts::encode_input in;
    in.source_key = key;
    in.output_prefix = prefix;
    in.plan = plan(*facts, std::move(sizes));
    return encode(in);
}

std::string media_bench::joined(const std::string& prefix, const std::string& rendition,
                                std::size_t segments) {
    const auto path = directory / ("joined-" + rendition + ".ts");
    std::ofstream out(path, std::ios::binary);
    for (std::size_t n = 1; n <= segments; ++n) {
        out << read_file(processed(prefix + rendition + "/" + segment_name(n)));
    }
    return path;
}

std::string media_bench::ask(const std::string& ffprobe_words, const std::string& path) {
    return shell("ffprobe -v error " + ffprobe_words + " " + path);
}

std::size_t media_bench::files_in(const std::string& path) const {
    std::error_code none;
    std::size_t count = 0;
    for (const auto& entry : fs::recursive_directory_iterator(directory / path, none)) {
        count += entry.is_regular_file() ? 1 : 0;
    }
    return count;
}

}  // namespace vora::worker
