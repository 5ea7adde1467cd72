#include "services/all/child.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <utility>

namespace vora::all {

namespace {

struct pipe_ends {
    int read = -1;
    int write = -1;
    ~pipe_ends() {
        for (const int end : {read, write}) {
            if (end >= 0) {
                ::close(end);
            }
        }
    }
    bool open() {
        std::array<int, 2> fds{};
        return ::pipe2(fds.data(), O_CLOEXEC) == 0 && take(fds);
    }
    // A pipe whose writing end raises no SIGPIPE when the child is already gone.
    bool open_quiet() {
        std::array<int, 2> fds{};
        return ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()) == 0 && take(fds);
    }
    bool take(const std::array<int, 2>& fds) {
        read = fds[0];
        write = fds[1];
        return true;
    }
};

// All that the child needs, made before the fork: after it only async-signal-safe calls are
// allowed.
struct prepared {
    const char* program;
    const char* directory;
    char* const* arguments;
    char* const* environment;
    int in;
    int out;
    int err;
    int priority;
    pid_t parent;
};

[[noreturn]] void become(const prepared& p) {
    ::setpgid(0, 0);  // a Ctrl-C at the terminal is for us, we end it in order
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != p.parent) {
        ::_exit(126);
    }
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    for (int signal = 1; signal < 32; ++signal) {
        ::signal(signal, SIG_DFL);
    }
    if (::dup2(p.in, 0) < 0 || ::dup2(p.out, 1) < 0 || ::dup2(p.err, 2) < 0 ||
        ::chdir(p.directory) != 0) {
        ::_exit(126);
    }
    ::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
    if (p.priority != 0) {
        ::setpriority(PRIO_PROCESS, 0, ::getpriority(PRIO_PROCESS, 0) + p.priority);
    }
    ::execve(p.program, p.arguments, p.environment);
    ::_exit(127);
}

std::vector<char*> pointers(std::vector<std::string>& words) {
    std::vector<char*> out;
    for (auto& word : words) {
        out.push_back(word.data());
    }
    out.push_back(nullptr);
    return out;
}

std::unexpected<error> not_started(const std::string& what) {
    return fail(errc::unavailable, "child_not_started", what + ": " + std::strerror(errno));
}

}  // namespace

result<child> child::spawn(const child_plan& plan) {
    pipe_ends in;
    pipe_ends out;
    if (!in.open_quiet() || !out.open()) {
        return not_started("pipe");
    }
    const int err =
        ::open(plan.errors_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (err < 0) {
        return not_started(plan.errors_file);
    }
    auto words = plan.arguments;
    words.insert(words.begin(), plan.program);
    auto variables = plan.environment;
    const auto argv = pointers(words);
    const auto envp = pointers(variables);
    const prepared p{plan.program.c_str(),
                     plan.directory.c_str(),
                     argv.data(),
                     envp.data(),
                     in.read,
                     out.write,
                     err,
                     plan.priority,
                     ::getpid()};
    const pid_t pid = ::fork();
    if (pid == 0) {
        become(p);
    }
    ::close(err);
    if (pid < 0) {
        return not_started(plan.program);
    }
    ::setpgid(pid, pid);  // as the child does: whoever comes first
    child c;
    c.pid_ = pid;
    c.in_ = std::exchange(in.write, -1);
    c.out_ = std::exchange(out.read, -1);
    ::fcntl(c.out_, F_SETFL, O_NONBLOCK);
    return c;
}

child::child(child&& other) noexcept {
    *this = std::move(other);
}

child& child::operator=(child&& other) noexcept {
    std::swap(pid_, other.pid_);
    std::swap(in_, other.in_);
    std::swap(out_, other.out_);
    std::swap(exit_, other.exit_);
    return *this;
}

child::~child() {
    if (!ended()) {
        send(SIGKILL);
        int status = 0;
        while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
        }
    }
    close_all();
}

void child::close_all() {
    close_input();
    if (out_ >= 0) {
        ::close(std::exchange(out_, -1));
    }
}

int child::take_output() {
    return std::exchange(out_, -1);
}

bool child::write_input(const std::string& text) {
    return ::send(in_, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
}

void child::close_input() {
    if (in_ >= 0) {
        ::close(std::exchange(in_, -1));
    }
}

void child::send(int signal) {
    if (pid_ > 0) {
        ::kill(-pid_, signal);
    }
}

bool child::ended() {
    if (pid_ <= 0) {
        return true;
    }
    int status = 0;
    const pid_t done = ::waitpid(pid_, &status, WNOHANG);
    if (done == 0 || (done < 0 && errno == EINTR)) {
        return false;
    }
    exit_ = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    pid_ = -1;
    return true;
}

std::string find_program(const std::string& name) {
    const char* path = std::getenv("PATH");
    std::istringstream folders(path == nullptr ? "/usr/local/bin:/usr/bin:/bin" : path);
    for (std::string folder; std::getline(folders, folder, ':');) {
        const auto candidate = folder + "/" + name;
        if (folder.starts_with('/') && ::access(candidate.c_str(), X_OK) == 0) {
            return candidate;
        }
    }
    return {};
}

}  // namespace vora::all
