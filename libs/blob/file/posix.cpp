#include "libs/blob/file/posix.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

namespace vora::blob::posix {

unique_fd::~unique_fd() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

error to_error(int error_number, std::string_view call) {
    auto detail = std::string(call) + ": " + std::strerror(error_number);
    switch (error_number) {
        case ENOENT:
        case ENOTDIR:
        case EISDIR:
        case ELOOP:
            return {errc::not_found, "no_such_object", std::move(detail)};
        case EEXIST:
            return {errc::already_exists, "object_exists", std::move(detail)};
        case ENOSPC:
        case EDQUOT:
        case EFBIG:
            return {errc::resource_exhausted, "store_full", std::move(detail)};
        case ENAMETOOLONG:
            return {errc::invalid_argument, "bad_key", std::move(detail)};
        default:
            return {errc::unavailable, "storage_unavailable", std::move(detail)};
    }
}

error to_write_error(int error_number, std::string_view call) {
    auto e = to_error(error_number, call);
    if (e.code == errc::not_found) {
        e.code = errc::unavailable;
        e.reason = "storage_unavailable";
    }
    return e;
}

result<unique_fd> open_file(const std::string& path, int flags, unsigned mode) {
    for (;;) {
        const int fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
        if (fd >= 0) {
            return unique_fd(fd);
        }
        if (errno != EINTR) {
            return fail((flags & O_CREAT) != 0 ? to_write_error(errno, "open")
                                               : to_error(errno, "open"));
        }
    }
}

result<struct ::stat> stat_fd(int fd) {
    struct ::stat s{};
    if (::fstat(fd, &s) != 0) {
        return fail(to_error(errno, "fstat"));
    }
    return s;
}

result<void> write_at(int fd, std::span<const char> bytes, std::uint64_t offset) {
    while (!bytes.empty()) {
        const auto n = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return fail(to_error(n < 0 ? errno : EIO, "pwrite"));
        }
        bytes = bytes.subspan(static_cast<std::size_t>(n));
        offset += static_cast<std::uint64_t>(n);
    }
    return {};
}

result<std::size_t> read_at(int fd, std::span<char> into, std::uint64_t offset) {
    std::size_t filled = 0;
    while (filled < into.size()) {
        const auto n = ::pread(fd, into.data() + filled, into.size() - filled,
                               static_cast<off_t>(offset + filled));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return fail(to_error(errno, "pread"));
        }
        if (n == 0) {
            break;
        }
        filled += static_cast<std::size_t>(n);
    }
    return filled;
}

// O_NONBLOCK: a pipe that somebody put in an object's place must not hold the loop.
std::optional<unique_fd> open_if_cached(const std::string& path) {
    struct ::open_how how{};
    how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
    how.resolve = RESOLVE_CACHED;
    const auto fd = ::syscall(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof how);
    if (fd < 0) {
        return std::nullopt;
    }
    return unique_fd(static_cast<int>(fd));
}

std::optional<std::size_t> read_if_cached(int fd, std::span<char> into, std::uint64_t offset) {
    const ::iovec piece{into.data(), into.size()};
    const auto n = ::preadv2(fd, &piece, 1, static_cast<off_t>(offset), RWF_NOWAIT);
    if (n <= 0) {
        return std::nullopt;
    }
    return static_cast<std::size_t>(n);
}

result<std::string> read_whole(const std::string& path, std::size_t bytes_max) {
    auto fd = open_file(path, O_RDONLY);
    if (!fd) {
        return fail(fd.error());
    }
    auto s = stat_fd(fd->get());
    if (!s) {
        return fail(s.error());
    }
    if (static_cast<std::uint64_t>(s->st_size) > bytes_max) {
        return fail(errc::data_loss, "record_too_large");
    }
    std::string text(static_cast<std::size_t>(s->st_size), '\0');
    auto n = read_at(fd->get(), text, 0);
    if (!n) {
        return fail(n.error());
    }
    text.resize(*n);
    return text;
}

result<void> sync_data(int fd) {
    if (::fdatasync(fd) != 0) {
        return fail(to_error(errno, "fdatasync"));
    }
    return {};
}

void forget_cached(int fd, std::uint64_t offset, std::uint64_t bytes) {
    ::posix_fadvise(fd, static_cast<off_t>(offset), static_cast<off_t>(bytes), POSIX_FADV_DONTNEED);
}

result<void> sync_directory(const std::string& path) {
    auto fd = open_file(path, O_RDONLY | O_DIRECTORY);
    if (!fd) {
        return fail(fd.error());
    }
    if (::fsync(fd->get()) != 0) {
        return fail(to_error(errno, "fsync"));
    }
    return {};
}

result<void> copy_bytes(int from, int to) {
    std::vector<char> buffer(1 << 20);
    std::uint64_t offset = 0;
    for (;;) {
        auto n = read_at(from, buffer, offset);
        if (!n) {
            return fail(n.error());
        }
        if (*n == 0) {
            return {};
        }
        if (auto written = write_at(to, std::span(buffer).first(*n), offset); !written) {
            return written;
        }
        offset += *n;
    }
}

std::string parent_of(const std::string& path) {
    return path.substr(0, path.rfind('/'));
}

}  // namespace vora::blob::posix
