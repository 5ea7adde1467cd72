#include "libs/auth/private_file.hpp"

#include "libs/base/crypto.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace vora::auth::detail {

namespace {

constexpr std::size_t file_bytes_max = 64 << 10;

class descriptor {
 public:
    explicit descriptor(int fd) : fd_(fd) {}
    ~descriptor() {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }
    descriptor(const descriptor&) = delete;
    int get() const { return fd_; }

 private:
    int fd_;
};

std::unexpected<error> system_failure(int number, const std::string& path) {
    const std::string detail = path + ": " + std::strerror(number);
    switch (number) {
        case ENOENT:
            return fail(errc::not_found, "key_file_missing", detail);
        case EEXIST:
            return fail(errc::already_exists, "key_file_exists", detail);
        case EACCES:
        case EPERM:
            return fail(errc::permission_denied, "key_file_not_accessible", detail);
        default:
            return fail(errc::unavailable, "key_file_failed", detail);
    }
}

bool write_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t n = ::write(fd, bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

}  // namespace

result<std::string> read_private_file(const std::string& path) {
    const descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat facts{};
    if (file.get() < 0 || ::fstat(file.get(), &facts) != 0) {
        return system_failure(errno, path);
    }
    if ((facts.st_mode & 077) != 0) {
        return fail(errc::permission_denied, "key_file_open_to_others",
                    path + " must be readable by its owner only (chmod 600)");
    }
    std::string bytes(file_bytes_max + 1, '\0');
    std::size_t size = 0;
    while (size < bytes.size()) {
        const ssize_t n = ::read(file.get(), bytes.data() + size, bytes.size() - size);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return system_failure(errno, path);
        }
        if (n == 0) {
            break;
        }
        size += static_cast<std::size_t>(n);
    }
    if (size > file_bytes_max) {
        return fail(errc::data_loss, "key_file_damaged", path + " is too large for a key file");
    }
    bytes.resize(size);
    return bytes;
}

namespace {

// A finished file beside `path`, which `publish` gives its name; gone when this returns.
template <class Publish>
result<void> write_private_file(const std::string& path, const std::string& bytes,
                                Publish publish) {
    const std::string part = path + "." + random_hex(8) + ".part";
    int failure = 0;
    {
        const descriptor file(
            ::open(part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
        if (file.get() < 0) {
            return system_failure(errno, path);
        }
        if (!write_all(file.get(), bytes) || ::fsync(file.get()) != 0 ||
            publish(part.c_str(), path.c_str()) != 0) {
            failure = errno;
        }
    }
    ::unlink(part.c_str());
    if (failure != 0) {
        return system_failure(failure, path);
    }
    const auto parent = std::filesystem::path(path).parent_path();
    const descriptor directory(
        ::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directory.get() < 0 || ::fsync(directory.get()) != 0) {
        return system_failure(errno, path);
    }
    return {};
}

}  // namespace

result<void> create_private_file(const std::string& path, const std::string& bytes) {
    // link, not rename: of two processes that start at once, one wins and the other reads its file.
    return write_private_file(path, bytes, ::link);
}

result<void> replace_private_file(const std::string& path, const std::string& bytes) {
    return write_private_file(path, bytes, ::rename);
}

file_lock::~file_lock() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

result<file_lock> lock_private_file(const std::string& path) {
    const std::string name = path + ".lock";
    const int fd = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return system_failure(errno, path);
    }
    file_lock lock(fd);
    while (::flock(fd, LOCK_EX) != 0) {
        if (errno != EINTR) {
            return system_failure(errno, path);
        }
    }
    return lock;
}

}  // namespace vora::auth::detail
