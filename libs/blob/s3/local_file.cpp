#include "libs/blob/s3/local_file.hpp"

#include "libs/base/crc32c.hpp"
#include "libs/base/crypto.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace vora::blob {

namespace {

std::unexpected<error> file_error(const char* what) {
    const int code = errno;
    if (code == EEXIST) {
        return fail(errc::already_exists, "path_exists");
    }
    if (code == ENOSPC || code == EDQUOT) {
        return fail(errc::resource_exhausted, "local_disk_full", what);
    }
    return fail(errc::unavailable, "local_file_failed",
                std::string(what) + ": " + std::strerror(code));
}

class file_source final : public net::body_source {
 public:
    file_source(std::shared_ptr<local_file> file, blocking_pool& files)
        : file_(std::move(file)), files_(files) {}

    task<result<std::size_t>> read(std::span<char> into) override {
        // Not into the caller's buffer, which a cancelled caller takes with it.
        const auto want = std::min<std::uint64_t>(into.size(), file_->size_bytes() - at_);
        const auto piece = std::make_shared<std::vector<char>>(want);
        auto n =
            co_await files_.run([f = file_, piece, at = at_] { return f->read_at(*piece, at); });
        if (n) {
            std::memcpy(into.data(), piece->data(), *n);
            at_ += *n;
        }
        co_return n;
    }

 private:
    std::shared_ptr<local_file> file_;
    blocking_pool& files_;
    std::uint64_t at_ = 0;
};

}  // namespace

new_local_file::new_local_file(std::string path, std::string temporary, int fd)
    : path_(std::move(path)), temporary_(std::move(temporary)), fd_(fd) {}

result<std::shared_ptr<new_local_file>> new_local_file::make(const std::string& path) {
    struct stat seen{};
    if (::lstat(path.c_str(), &seen) == 0) {
        return fail(errc::already_exists, "path_exists");
    }
    auto temporary = path + ".fetch-" + random_hex(6);
    const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return file_error("create");
    }
    return std::shared_ptr<new_local_file>(new new_local_file(path, std::move(temporary), fd));
}

new_local_file::~new_local_file() {
    ::close(fd_);
    ::unlink(temporary_.c_str());
}

result<void> new_local_file::write(std::span<const char> bytes) {
    while (!bytes.empty()) {
        const auto n = ::write(fd_, bytes.data(), bytes.size());
        if (n < 0 && errno != EINTR) {
            return file_error("write");
        }
        bytes = bytes.subspan(static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
    }
    return {};
}

result<void> new_local_file::keep() {
    if (::link(temporary_.c_str(), path_.c_str()) != 0) {
        return file_error("link");
    }
    return {};
}

result<std::shared_ptr<local_file>> local_file::open(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat seen{};
    if (fd < 0 || ::fstat(fd, &seen) != 0 || !S_ISREG(seen.st_mode)) {
        if (fd >= 0) {
            ::close(fd);
        }
        return fail(errc::invalid_argument, "no_such_file");
    }
    ::posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return std::shared_ptr<local_file>(
        new local_file(fd, static_cast<std::uint64_t>(seen.st_size)));
}

local_file::~local_file() {
    ::close(fd_);
}

result<std::size_t> local_file::read_at(std::span<char> into, std::uint64_t offset) const {
    for (;;) {
        const auto n = ::pread(fd_, into.data(), into.size(), static_cast<off_t>(offset));
        if (n >= 0) {
            return static_cast<std::size_t>(n);
        }
        if (errno != EINTR) {
            return fail(errc::internal, "local_file_failed", std::strerror(errno));
        }
    }
}

result<std::uint32_t> local_file::checksum() const {
    constexpr std::size_t piece_bytes = 256 << 10;
    std::vector<char> piece(piece_bytes);
    std::uint32_t crc = 0;
    for (std::uint64_t at = 0; at < size_;) {
        auto n =
            read_at(std::span(piece).first(std::min<std::uint64_t>(piece_bytes, size_ - at)), at);
        if (!n) {
            return fail(n.error());
        }
        if (*n == 0) {
            break;  // it was cut: sending it fails
        }
        crc = crc32c(std::string_view(piece.data(), *n), crc);
        at += *n;
    }
    return crc;
}

std::unique_ptr<net::body_source> local_file::source(blocking_pool& files) {
    return std::make_unique<file_source>(shared_from_this(), files);
}

}  // namespace vora::blob
