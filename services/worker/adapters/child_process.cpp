#include "services/worker/adapters/child_process.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <utility>

namespace vora::worker {

namespace {

using steady = std::chrono::steady_clock;

constexpr std::size_t errors_head_bytes = 4 * 1024;
constexpr std::size_t errors_tail_bytes = 12 * 1024;
constexpr std::size_t line_bytes_max = 64 * 1024;
constexpr int poll_ms = 100;

class descriptor {
 public:
    descriptor() = default;
    explicit descriptor(int fd) : fd_(fd) {}
    descriptor(descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    descriptor& operator=(descriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~descriptor() { close(); }
    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }
    void close() {
        if (fd_ >= 0) {
            ::close(std::exchange(fd_, -1));
        }
    }

 private:
    int fd_ = -1;
};

struct pipe_pair {
    descriptor read;
    descriptor write;
};

pipe_pair make_pipe() {
    int fds[2];
    if (::pipe2(fds, O_CLOEXEC) != 0) {
        return {};
    }
    ::fcntl(fds[0], F_SETFL, O_NONBLOCK);
    return {descriptor(fds[0]), descriptor(fds[1])};
}

// Everything the child needs, made before the fork: after it only async-signal-safe calls are
// allowed.
struct child_plan {
    const char* program;
    const char* directory;
    std::vector<char*> argv;
    std::vector<char*> environment;
    int null_in;
    int out;
    int err;
    pid_t parent;
    child_limits limits;
};

void set_limit(int resource, std::uint64_t value) {
    const rlimit limit{value, value};
    ::setrlimit(static_cast<__rlimit_resource_t>(resource), &limit);
}

[[noreturn]] void become(const child_plan& plan) {
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != plan.parent) {
        ::_exit(126);  // the parent died before the line above
    }
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    for (int signal = 1; signal < 32; ++signal) {
        ::signal(signal, SIG_DFL);
    }
    if (::chdir(plan.directory) != 0 || ::dup2(plan.null_in, 0) < 0 || ::dup2(plan.out, 1) < 0 ||
        ::dup2(plan.err, 2) < 0) {
        ::_exit(126);
    }
    ::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
    ::setpriority(PRIO_PROCESS, 0, ::getpriority(PRIO_PROCESS, 0) + plan.limits.priority);
    set_limit(RLIMIT_CORE, 0);
    set_limit(RLIMIT_NOFILE, 256);
    set_limit(RLIMIT_FSIZE, plan.limits.file_bytes);
    set_limit(RLIMIT_CPU, static_cast<std::uint64_t>(plan.limits.cpu.count()));
    set_limit(RLIMIT_AS, plan.limits.memory_bytes);
    ::execve(plan.program, plan.argv.data(), plan.environment.data());
    ::_exit(127);
}

// Both ends of what a tool complains about: the cause is often first, the consequence last.
class bounded_errors {
 public:
    void add(std::string_view text) {
        const auto room = errors_head_bytes - std::min(errors_head_bytes, head_.size());
        head_ += text.substr(0, room);
        text.remove_prefix(std::min(room, text.size()));
        tail_ += text;
        if (tail_.size() > 2 * errors_tail_bytes) {
            tail_.erase(0, tail_.size() - errors_tail_bytes);
            cut_ = true;
        }
    }
    std::string text() const { return head_ + (cut_ ? "\n[...]\n" : "") + tail_; }

 private:
    std::string head_;
    std::string tail_;
    bool cut_ = false;
};

class running_child {
 public:
    running_child(const child_spec& spec, const std::atomic<bool>& stop)
        : spec_(spec), stop_(stop) {}

    child_exit run() {
        if (!start()) {
            return std::move(exit_);
        }
        while (out_ || err_) {
            pump();
            look_at_limits();
        }
        reap();
        return std::move(exit_);
    }

 private:
    bool start();
    void pump();
    bool read_some(descriptor& from, bool is_out);
    void take_output(std::string_view text);
    void look_at_limits();
    void kill_group(child_exit::how why);
    void reap();

    const child_spec& spec_;
    const std::atomic<bool>& stop_;
    pid_t pid_ = -1;
    descriptor out_;
    descriptor err_;
    steady::time_point begun_ = steady::now();
    steady::time_point last_output_ = begun_;
    std::uint64_t output_bytes_ = 0;
    std::string line_;
    bounded_errors errors_;
    bool killed_ = false;
    child_exit exit_;
};

bool running_child::start() {
    auto out = make_pipe();
    auto err = make_pipe();
    descriptor null_in(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!out.read || !err.read || !null_in) {
        return false;
    }
    auto words = spec_.arguments;
    words.insert(words.begin(), spec_.program);
    static constexpr std::array environment{"PATH=/usr/bin:/bin", "LC_ALL=C", "HOME=/nonexistent",
                                            "MALLOC_ARENA_MAX=4"};
    child_plan plan{};
    plan.program = spec_.program.c_str();
    plan.directory = spec_.directory.c_str();
    for (auto& word : words) {
        plan.argv.push_back(word.data());
    }
    plan.argv.push_back(nullptr);
    for (const char* variable : environment) {
        plan.environment.push_back(const_cast<char*>(variable));
    }
    plan.environment.push_back(nullptr);
    plan.null_in = null_in.get();
    plan.out = out.write.get();
    plan.err = err.write.get();
    plan.parent = ::getpid();
    plan.limits = spec_.limits;

    pid_ = ::fork();
    if (pid_ == 0) {
        become(plan);
    }
    if (pid_ < 0) {
        return false;
    }
    ::setpgid(pid_, pid_);  // as the child does: whoever comes first
    out_ = std::move(out.read);
    err_ = std::move(err.read);
    return true;
}

void running_child::pump() {
    std::array<pollfd, 2> fds{pollfd{out_.get(), POLLIN, 0}, pollfd{err_.get(), POLLIN, 0}};
    const int ready = ::poll(fds.data(), fds.size(), poll_ms);
    if (ready <= 0) {
        return;
    }
    if (out_ && fds[0].revents != 0 && !read_some(out_, true)) {
        out_.close();
    }
    if (err_ && fds[1].revents != 0 && !read_some(err_, false)) {
        err_.close();
    }
}

// False at the end.
bool running_child::read_some(descriptor& from, bool is_out) {
    std::array<char, 16 * 1024> block{};
    const auto count = ::read(from.get(), block.data(), block.size());
    if (count < 0) {
        return errno == EAGAIN || errno == EINTR;
    }
    const std::string_view text(block.data(), static_cast<std::size_t>(count));
    if (is_out) {
        take_output(text);
    } else {
        errors_.add(text);
    }
    return count > 0;
}

void running_child::take_output(std::string_view text) {
    last_output_ = steady::now();
    output_bytes_ += text.size();
    const bool too_much = output_bytes_ > spec_.limits.stdout_bytes;
    if (!spec_.on_line) {
        const auto room = spec_.limits.stdout_bytes -
                          std::min<std::uint64_t>(spec_.limits.stdout_bytes, exit_.output.size());
        exit_.output += text.substr(0, room);
        return;
    }
    if (too_much) {
        kill_group(child_exit::how::wall_limit);
        return;
    }
    for (auto end = text.find('\n'); end != text.npos; end = text.find('\n')) {
        line_ += text.substr(0, end);
        spec_.on_line(line_);
        line_.clear();
        text.remove_prefix(end + 1);
    }
    line_ += text.substr(0, line_bytes_max - std::min(line_bytes_max, line_.size()));
}

void running_child::look_at_limits() {
    if (killed_) {
        return;
    }
    const auto now = steady::now();
    if (stop_.load(std::memory_order_relaxed)) {
        kill_group(child_exit::how::stopped);
    } else if (now - begun_ > spec_.limits.wall) {
        kill_group(child_exit::how::wall_limit);
    } else if (spec_.limits.silence.count() > 0 && now - last_output_ > spec_.limits.silence) {
        kill_group(child_exit::how::silent);
    }
}

void running_child::kill_group(child_exit::how why) {
    if (!killed_) {
        killed_ = true;
        exit_.ended = why;
        ::kill(-pid_, SIGKILL);
        ::kill(pid_, SIGKILL);
    }
}

// Both pipes are closed; a child that closed them itself may still run.
void running_child::reap() {
    int status = 0;
    rusage usage{};
    for (;;) {
        const pid_t done = ::wait4(pid_, &status, WNOHANG, &usage);
        if (done == pid_ || (done < 0 && errno != EINTR)) {
            break;
        }
        look_at_limits();
        ::poll(nullptr, 0, 5);
    }
    ::kill(-pid_, SIGKILL);  // what it may have left in its group
    const auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
    };
    exit_.cpu_s = seconds(usage.ru_utime) + seconds(usage.ru_stime);
    exit_.wall_s = std::chrono::duration<double>(steady::now() - begun_).count();
    exit_.errors = errors_.text();
    if (!line_.empty() && spec_.on_line) {
        spec_.on_line(line_);
    }
    if (killed_) {
        return;
    }
    if (WIFEXITED(status)) {
        exit_.code = WEXITSTATUS(status);
        const bool never_ran = exit_.code == 126 || exit_.code == 127;
        exit_.ended = never_ran ? child_exit::how::not_started : child_exit::how::exited;
        return;
    }
    exit_.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    const bool used_up = exit_.cpu_s + 1 >= static_cast<double>(spec_.limits.cpu.count());
    const bool by_limit = exit_.signal == SIGXCPU || (exit_.signal == SIGKILL && used_up);
    exit_.ended = by_limit ? child_exit::how::cpu_limit : child_exit::how::killed;
}

}  // namespace

child_exit run_child(const child_spec& spec, const std::atomic<bool>& stop) {
    return running_child(spec, stop).run();
}

}  // namespace vora::worker
