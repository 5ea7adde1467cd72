#pragma once
// The few file system calls of the file adapter, with errors as values. They block, but for those
// that say otherwise.

#include "libs/base/result.hpp"

#include <sys/stat.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>

namespace vora::blob::posix {

class unique_fd {
 public:
    unique_fd() = default;
    explicit unique_fd(int fd) : fd_(fd) {}
    unique_fd(unique_fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    unique_fd& operator=(unique_fd&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~unique_fd();
    int get() const { return fd_; }

 private:
    int fd_ = -1;
};

// The port's errors for an errno: a full disk is resource_exhausted ("store_full"), what may pass
// by itself is unavailable ("storage_unavailable"). The detail names the call, never a path.
error to_error(int error_number, std::string_view call);
// The same where something is made: a missing directory is then trouble of the store.
error to_write_error(int error_number, std::string_view call);

result<unique_fd> open_file(const std::string& path, int flags, unsigned mode = 0644);
result<struct ::stat> stat_fd(int fd);
// Writes all of bytes at offset, over short writes and interruptions.
result<void> write_at(int fd, std::span<const char> bytes, std::uint64_t offset);
// Up to into.size() bytes; fewer only at the end of the file.
result<std::size_t> read_at(int fd, std::span<char> into, std::uint64_t offset);

// For the loop's own thread: what the kernel has in memory, without a disk being waited for.
// Nothing when that cannot be said beforehand, and for every failure: the blocking call then knows
// better.
std::optional<unique_fd> open_if_cached(const std::string& path);
std::optional<std::size_t> read_if_cached(int fd, std::span<char> into, std::uint64_t offset);

result<std::string> read_whole(const std::string& path, std::size_t bytes_max);
result<void> sync_data(int fd);
// Durable bytes that nobody reads soon: the kernel need not keep them in memory. A hint.
void forget_cached(int fd, std::uint64_t offset, std::uint64_t bytes);
result<void> sync_directory(const std::string& path);
// Copies the bytes of `from` to the start of `to`.
result<void> copy_bytes(int from, int to);

std::string parent_of(const std::string& path);

}  // namespace vora::blob::posix
