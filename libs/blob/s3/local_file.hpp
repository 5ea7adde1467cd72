#pragma once
// Local files that are sent or received. Blocking calls: for the pool. Private to libs/blob/s3.

#include "libs/base/async.hpp"
#include "libs/base/result.hpp"
#include "libs/net/http.hpp"

#include <memory>
#include <span>
#include <string>

namespace vora::blob {

// A file that appears at its path whole or not at all.
class new_local_file {
 public:
    // already_exists ("path_exists"), unavailable ("local_file_failed").
    static result<std::shared_ptr<new_local_file>> make(const std::string& path);
    ~new_local_file();  // removes what was not kept
    new_local_file(const new_local_file&) = delete;

    // unavailable ("local_file_failed"), resource_exhausted ("local_disk_full").
    result<void> write(std::span<const char> bytes);
    // Gives it its name; already_exists ("path_exists").
    result<void> keep();

 private:
    new_local_file(std::string path, std::string temporary, int fd);
    std::string path_;
    std::string temporary_;
    int fd_;
};

// An open file that can be read from its beginning any number of times.
class local_file : public std::enable_shared_from_this<local_file> {
 public:
    // invalid_argument ("no_such_file").
    static result<std::shared_ptr<local_file>> open(const std::string& path);
    ~local_file();
    local_file(const local_file&) = delete;

    std::uint64_t size_bytes() const { return size_; }
    std::unique_ptr<net::body_source> source(blocking_pool& files);
    // CRC-32C of all its bytes.
    result<std::uint32_t> checksum() const;
    result<std::size_t> read_at(std::span<char> into, std::uint64_t offset) const;

 private:
    local_file(int fd, std::uint64_t size) : fd_(fd), size_(size) {}
    int fd_;
    std::uint64_t size_;
};

}  // namespace vora::blob
