#pragma once
// media_tools over an installed ffmpeg: ffprobe is expected beside it. Children run on
// blocking-pool threads (child_process.hpp); the caller's loop only looks after them.

#include "libs/base/async.hpp"
#include "services/worker/core/ports.hpp"

#include <atomic>
#include <list>
#include <memory>
#include <string>

namespace vora::worker {

struct ffmpeg_options {
    std::string ffmpeg = "ffmpeg";  // a name to be found in PATH, or a path
    std::uint64_t memory_bytes = std::uint64_t{4} << 30;
    std::uint64_t file_bytes = std::uint64_t{1} << 30;
    int priority = 10;
};

class ffmpeg_tools final : public media_tools {
 public:
    ffmpeg_tools(blocking_pool& pool, ffmpeg_options options);

    task<tool_exit> run(tool_call call, std::function<bool()> should_stop) override;

    // Looks for both programs and asks for their version; run() works without it.
    task<> discover();
    // "5.1.9-0+deb12u1"; empty: not found.
    const std::string& version() const { return version_; }
    const std::string& looked_for() const { return options_.ffmpeg; }
    bool available() const { return !version_.empty(); }

    // Kills what runs, now and later, and waits until nothing does.
    task<> stop();

 private:
    struct job;
    task<> wait_for(std::shared_ptr<job> j, std::function<bool()> should_stop);

    blocking_pool& pool_;
    ffmpeg_options options_;
    std::string ffmpeg_path_;
    std::string ffprobe_path_;
    std::string version_;
    std::list<std::shared_ptr<job>> running_;
    bool stopping_ = false;
};

}  // namespace vora::worker
