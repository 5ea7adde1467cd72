#pragma once
// For tests: a worker's core over real ffmpeg, real files and a real file store in a temporary
// directory.

#include "libs/base/async.hpp"
#include "libs/blob/file/file_store.hpp"
#include "services/worker/adapters/ffmpeg_tools.hpp"
#include "services/worker/adapters/scratch_space.hpp"
#include "services/worker/core/encoder.hpp"
#include "services/worker/core/prober.hpp"

#include <string>

namespace vora::worker {

class temporary_directory {
 public:
    temporary_directory();
    ~temporary_directory();
    temporary_directory(const temporary_directory&) = delete;
    const std::string& path() const { return path_; }
    std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
    std::string path_;
};

// Counts what it is told and stops when it is told to.
class fake_attempt final : public attempt {
 public:
    bool should_stop() const override { return stop || (stop_at_percent >= 0 && reached_); }
    void progress(std::string_view stage, double percent, double eta_s) override;

    bool stop = false;
    double stop_at_percent = -1;
    std::vector<std::string> stages;  // each once, in order
    std::vector<double> percents;     // of "encoding"

 private:
    bool reached_ = false;
};

class media_bench {
 public:
    explicit media_bench(ffmpeg_options options = {}, encoder_settings settings = {1, "ultrafast"});
    ~media_bench();

    // Runs ffmpeg with these words; the output is the object `key` of the raw bucket. Ends the test
    // program if that fails: the test material is not what is tested.
    void make(const std::string& key, const std::string& ffmpeg_words);
    void put(const std::string& key, const std::string& bytes);
    std::string raw_bytes(const std::string& key);

    media_result<contracts::probe_facts> probe(const std::string& key,
                                               contracts::media_limits limits = {});
    media_result<encoded_video> encode(const contracts::encode_input& in,
                                       fake_attempt* a = nullptr);
    // probe, then encode with a plan of these rungs ("WxH").
    media_result<encoded_video> encode(const std::string& key, std::vector<std::string> sizes,
                                       const std::string& prefix = "v/");
    contracts::encode_plan plan(const contracts::probe_facts& facts,
                                std::vector<std::string> sizes);

    std::string processed(const std::string& name) const {
        return directory / ("processed/" + name);
    }
    // Whole rendition as one file, and what ffprobe says of it.
    std::string joined(const std::string& prefix, const std::string& rendition,
                       std::size_t segments);
    std::string ask(const std::string& ffprobe_words, const std::string& path);
    std::size_t files_in(const std::string& path) const;

    temporary_directory directory;
    event_loop loop;
    blocking_pool pool{4};
    blob::file_store raw;
    blob::file_store store;
    ffmpeg_tools tools;
    scratch_space scratch;
    prober probes;
    encoder encodes;
};

std::string read_file(const std::string& path);
void write_file(const std::string& path, const std::string& bytes);
std::string shell(const std::string& command);  // its output; a failure ends the test program

}  // namespace vora::worker
