#pragma once
// What the core needs from outside, apart from the object store.

#include "libs/base/result.hpp"
#include "libs/base/task.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace vora::worker {

enum class tool { ffprobe, ffmpeg };

struct tool_limits {
    std::chrono::seconds wall{60};
    std::chrono::seconds cpu{60};     // of the process, all threads
    std::chrono::seconds silence{0};  // without a line on stdout; 0 = no limit
    std::uint64_t stdout_bytes_max = 1u << 20;
};

struct tool_call {
    tool which = tool::ffprobe;
    std::vector<std::string> arguments;
    std::string directory;  // working directory: the tool sees relative names only
    tool_limits limits;
    // Set: stdout goes there line by line, on another thread, instead of into tool_exit::output.
    std::function<void(std::string_view line)> on_line;
};

struct tool_exit {
    enum class how { exited, killed, cpu_limit, wall_limit, silent, stopped, not_started };
    how ended = how::exited;
    int code = 0;    // exited
    int signal = 0;  // killed
    double cpu_s = 0;
    double wall_s = 0;
    std::string output;  // stdout, cut at its limit
    std::string errors;  // head and tail of stderr
};

// Runs one of the two tools in a process group of its own with hard limits.
class media_tools {
 public:
    virtual ~media_tools() = default;
    // Asks should_stop now and then, on the caller's loop; true kills the tool. Whatever happens,
    // also when the waiting coroutine is cancelled, no process outlives its call by more than a
    // moment.
    virtual task<tool_exit> run(tool_call call, std::function<bool()> should_stop) = 0;
};

// A private directory of one job. Whoever holds it last removes it.
class job_directory {
 public:
    virtual ~job_directory() = default;
    virtual const std::string& path() const = 0;
    virtual task<> remove() = 0;
};

class workspace {
 public:
    virtual ~workspace() = default;
    // unavailable ("scratch_unavailable"): no room, no permission; retry later.
    virtual task<result<std::shared_ptr<job_directory>>> open_job() = 0;
};

// One attempt of an activity, as the work sees it.
class attempt {
 public:
    virtual ~attempt() = default;
    virtual bool should_stop() const = 0;
    // eta_s below 0: unknown. Cheap; call it often.
    virtual void progress(std::string_view stage, double percent, double eta_s) = 0;
};

}  // namespace vora::worker
