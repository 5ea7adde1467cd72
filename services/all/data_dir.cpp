#include "services/all/data_dir.hpp"

#include "libs/base/crypto.hpp"

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

namespace vora::all {

namespace fs = std::filesystem;

namespace {

std::string read_text(const std::string& path) {
    std::ifstream in(path);
    std::ostringstream text;
    text << in.rdbuf();
    auto out = text.str();
    while (!out.empty() && out.back() == '\n') {
        out.pop_back();
    }
    return out;
}

std::unexpected<error> system_failure(const std::string& what) {
    return fail(errc::unavailable, "data_dir_unusable", what + ": " + std::strerror(errno));
}

std::string who_holds(const std::string& path) {
    const auto run = nlohmann::json::parse(read_text(path + "/run.json"), nullptr, false);
    const auto pid = read_text(path + "/lock");
    std::string text = path + " is held by a running Vora (pid " + pid + ")";
    if (run.is_object() && run.contains("http")) {
        text += " at " + run.value("http", "");
    }
    return text + ": stop it first, or choose another --data";
}

}  // namespace

result<void> write_private_file(const std::string& path, const std::string& text) {
    const auto temporary = path + ".new";
    const int file = ::open(temporary.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    if (file < 0) {
        return system_failure("cannot write " + path);
    }
    const bool whole = write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                       fchmod(file, 0600) == 0 && fsync(file) == 0;
    close(file);
    if (!whole || rename(temporary.c_str(), path.c_str()) != 0) {
        return system_failure("cannot write " + path);
    }
    return {};
}

result<data_dir> data_dir::open(const std::string& path) {
    std::error_code ec;
    fs::create_directories(path, ec);
    const auto absolute = fs::canonical(path, ec).string();
    if (ec) {
        return fail(errc::unavailable, "data_dir_unusable", path + ": " + ec.message());
    }
    chmod(absolute.c_str(), 0700);
    const int lock = ::open((absolute + "/lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (lock < 0) {
        return system_failure("cannot write in " + absolute);
    }
    if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
        close(lock);
        return fail(errc::already_exists, "data_dir_in_use", who_holds(absolute));
    }
    const auto pid = std::to_string(getpid()) + "\n";
    if (ftruncate(lock, 0) != 0 || write(lock, pid.data(), pid.size()) < 0) {
        close(lock);
        return system_failure("cannot write in " + absolute);
    }
    for (const auto* name : {"keys", "db", "store", "scratch", "log"}) {
        fs::create_directories(absolute + "/" + name, ec);
        chmod((absolute + "/" + name).c_str(), 0700);
    }
    fs::remove(absolute + "/run.json", ec);  // of a run that was killed
    return data_dir(absolute, lock);
}

data_dir::data_dir(data_dir&& other) noexcept
    : path_(std::move(other.path_)), lock_(std::exchange(other.lock_, -1)) {}

data_dir::~data_dir() {
    if (lock_ >= 0) {
        close(lock_);
    }
}

result<std::string> data_dir::secret(const std::string& relative) const {
    const auto path = file(relative);
    if (auto text = read_text(path); text.size() >= 32) {
        return text;
    }
    const auto fresh = random_hex(32);
    if (auto r = write_private_file(path, fresh + "\n"); !r) {
        return fail(r.error());
    }
    return fresh;
}

result<void> data_dir::ensure_api_token(const auth::token_issuer& issuer,
                                        const auth::token_verifier& verifier, timestamp now) const {
    const auto path = file("api.token");
    const auto present = verifier.verify(read_text(path), now);
    if (present && present->scope == auth::scope::admin &&
        present->expires > now + std::chrono::days(30)) {
        chmod(path.c_str(), 0600);
        return {};
    }
    return write_private_file(
        path, issuer.mint("admin", auth::scope::admin, now, std::chrono::days(365)) + "\n");
}

result<void> data_dir::write_run_file(const std::string& http, const std::string& admin,
                                      const std::string& grpc) const {
    const nlohmann::json run{{"pid", getpid()}, {"http", http}, {"admin", admin}, {"grpc", grpc}};
    return write_private_file(file("run.json"), run.dump() + "\n");
}

void data_dir::remove_run_file() const {
    std::error_code ignored;
    fs::remove(file("run.json"), ignored);
}

}  // namespace vora::all
