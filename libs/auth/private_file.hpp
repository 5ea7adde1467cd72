#pragma once
// Key files: readable by their owner only, made whole or not at all.

#include "libs/base/result.hpp"

#include <string>

namespace vora::auth::detail {

// The whole file. not_found; permission_denied ("key_file_open_to_others") when group or others may
// read or write it; at most 64 KiB.
result<std::string> read_private_file(const std::string& path);

// Creates the file with mode 0600 and these bytes, durable when it returns. already_exists when
// another process was first: read it then. Nothing half-written is ever visible under the name.
result<void> create_private_file(const std::string& path, const std::string& bytes);

// Puts these bytes in the file's place in one step, durable when it returns.
result<void> replace_private_file(const std::string& path, const std::string& bytes);

// Held by one at a time, over all processes that ask for it; waits. Nothing is said about who
// reads.
class file_lock {
 public:
    explicit file_lock(int fd) : fd_(fd) {}
    file_lock(file_lock&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
    file_lock& operator=(file_lock&&) = delete;
    ~file_lock();

 private:
    int fd_;
};
result<file_lock> lock_private_file(const std::string& path);

}  // namespace vora::auth::detail
