#pragma once
// Carries out an encode plan: input -> segments, playlists and thumbnail in the store. Every object
// is written once; an attempt that finds one from an attempt before checks and accepts it.

#include "contracts/activities/media.hpp"
#include "libs/base/async.hpp"
#include "libs/blob/blob.hpp"
#include "services/worker/core/failure.hpp"
#include "services/worker/core/playlist.hpp"
#include "services/worker/core/ports.hpp"
#include "services/worker/core/source.hpp"

namespace vora::worker {

struct encoder_settings {
    int threads = 2;     // of each H.264 encoder
    std::string preset;  // instead of the plan's, when not empty
};

struct encoded_video {
    contracts::encode_result result;
    double cpu_s = 0;
    double wall_s = 0;
    std::int64_t frames = 0;  // over all rungs
};

class encoder {
 public:
    // All outlive it.
    encoder(blob::reader& raw, blob::reader& processed_reader, blob::writer& processed,
            media_tools& tools, workspace& places, blocking_pool& pool, encoder_settings settings);

    // Failures: input_... and output_conflict; retryable: encoder_crashed storage_unavailable
    // cancelled.
    task<media_result<encoded_video>> encode(contracts::encode_input in, attempt& a);

 private:
    task<media_result<encoded_video>> encode_in(const job_directory& place,
                                                const contracts::encode_input& in, attempt& a);
    struct made_rungs {
        tool_exit exit;
        std::vector<rung_segments> rungs;
    };
    task<media_result<made_rungs>> make_rungs(const job_directory& place,
                                              const contracts::encode_plan& plan,
                                              const source_file& source, attempt& a);
    task<media_result<tool_exit>> run_encoder(const job_directory& place,
                                              const contracts::encode_plan& plan,
                                              const source_file& source, attempt& a);
    task<media_result<std::vector<rung_segments>>> examine(const job_directory& place,
                                                           const contracts::encode_plan& plan,
                                                           const tool_exit& exit, attempt& a);
    task<media_result<>> make_thumbnail(const job_directory& place,
                                        const contracts::encode_plan& plan,
                                        const std::vector<rung_segments>& rungs, attempt& a);
    task<media_result<>> store(const job_directory& place, const contracts::encode_input& in,
                               std::vector<rung_segments>& rungs, attempt& a);
    task<media_result<>> store_segment(std::string key, std::string path, segment_facts& facts);
    task<media_result<>> store_text(std::string key, std::string text);

    blob::reader& raw_;
    blob::reader& processed_reader_;
    blob::writer& processed_;
    media_tools& tools_;
    workspace& places_;
    blocking_pool& pool_;
    encoder_settings settings_;
};

// What a worker accepts as a plan: our own workflow wrote it, but it becomes a command line.
bool is_sane(const contracts::encode_plan& plan);

}  // namespace vora::worker
