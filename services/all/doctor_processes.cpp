// Who holds what, from /proc.

#include "services/all/doctor_checks.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace vora::all {

namespace {

namespace fs = std::filesystem;

std::vector<std::string> words_of(const std::string& line) {
    std::istringstream in(line);
    std::vector<std::string> words;
    for (std::string word; in >> word;) {
        words.push_back(std::move(word));
    }
    return words;
}

std::optional<pid_t> pid_of(const std::string& text) {
    pid_t pid = 0;
    const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), pid);
    if (bad != std::errc() || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return pid;
}

// The socket inode that listens on the port, or empty.
std::string listening_socket(const std::string& table, std::uint16_t port) {
    constexpr std::size_t local = 1;
    constexpr std::size_t state = 3;
    constexpr std::size_t inode = 9;
    char wanted[8];
    std::snprintf(wanted, sizeof wanted, ":%04X", port);
    std::ifstream in(table);
    for (std::string line; std::getline(in, line);) {
        const auto words = words_of(line);
        if (words.size() > inode && words[local].ends_with(wanted) && words[state] == "0A") {
            return words[inode];
        }
    }
    return {};
}

bool has_open(pid_t pid, const std::string& target) {
    std::error_code failed;
    fs::directory_iterator at("/proc/" + std::to_string(pid) + "/fd", failed);
    for (; !failed && at != fs::directory_iterator(); at.increment(failed)) {
        std::error_code gone;
        if (fs::read_symlink(at->path(), gone).string() == target) {
            return true;
        }
    }
    return false;
}

}  // namespace

bool is_alive(pid_t pid) {
    return pid > 0 && (::kill(pid, 0) == 0 || errno == EPERM);
}

std::string process_in_words(pid_t pid) {
    std::ifstream in("/proc/" + std::to_string(pid) + "/comm");
    std::string name;
    std::getline(in, name);
    return std::to_string(pid) + (name.empty() ? "" : " (" + name + ")");
}

std::vector<pid_t> lock_holders(const std::string& path) {
    struct stat s{};
    if (::stat(path.c_str(), &s) != 0) {
        return {};
    }
    const auto inode = ":" + std::to_string(s.st_ino);
    std::vector<pid_t> holders;
    std::ifstream in("/proc/locks");
    for (std::string line; std::getline(in, line);) {
        // "1: POSIX  ADVISORY  WRITE 1234 08:01:567 0 EOF"; "-> " marks one that waits
        const auto words = words_of(line);
        if (words.size() < 6 || words[1] == "->" || !words[5].ends_with(inode)) {
            continue;
        }
        const auto pid = pid_of(words[4]);
        if (pid && *pid > 0 && std::ranges::find(holders, *pid) == holders.end()) {
            holders.push_back(*pid);
        }
    }
    return holders;
}

pid_t listener_of(std::uint16_t port) {
    auto inode = listening_socket("/proc/net/tcp", port);
    if (inode.empty()) {
        inode = listening_socket("/proc/net/tcp6", port);
    }
    if (inode.empty()) {
        return 0;
    }
    std::error_code failed;
    for (fs::directory_iterator at("/proc", failed), end; !failed && at != end;
         at.increment(failed)) {
        const auto pid = pid_of(at->path().filename().string());
        if (pid && has_open(*pid, "socket:[" + inode + "]")) {
            return *pid;
        }
    }
    return 0;
}

}  // namespace vora::all
