#pragma once
// Runs one program to its end, blocking, with everything bounded.
//
// The child gets a process group and a session's worth of nothing: stdin from /dev/null, no
// descriptor of ours, a short fixed environment, its own working directory, hard limits on memory,
// CPU time, file size, descriptors and core dumps, a lower priority. It dies with the thread that
// started it (PR_SET_PDEATHSIG), so that thread must live as long as the process: run_child is
// called on threads of the blocking pool. Limits that are reached, and stop, kill the whole group
// with SIGKILL: ffmpeg ignores SIGTERM for minutes.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace vora::worker {

struct child_limits {
    std::chrono::milliseconds wall{60'000};
    std::chrono::milliseconds silence{0};  // without output on stdout; 0 = no limit
    std::chrono::seconds cpu{60};
    std::uint64_t memory_bytes = std::uint64_t{4} << 30;  // address space
    std::uint64_t file_bytes = std::uint64_t{1} << 30;    // of each file it writes
    std::uint64_t stdout_bytes = std::uint64_t{1}
                                 << 20;  // beyond: killed when lines are read, else cut
    int priority = 10;                   // added to ours, as nice does
};

struct child_spec {
    std::string program;  // path
    std::vector<std::string> arguments;
    std::string directory;
    child_limits limits;
    std::function<void(std::string_view line)> on_line;  // else stdout is kept
};

struct child_exit {
    enum class how { exited, killed, cpu_limit, wall_limit, silent, stopped, not_started };
    how ended = how::not_started;
    int code = 0;
    int signal = 0;
    double cpu_s = 0;
    double wall_s = 0;
    std::string output;
    std::string errors;  // the first and the last few KiB of stderr
};

// `stop` is looked at ten times a second.
child_exit run_child(const child_spec& spec, const std::atomic<bool>& stop);

}  // namespace vora::worker
