#pragma once
// Multipart writes of the file adapter: root/.multipart/ID/ holds
//   meta    "KEY\nPART_BYTES\n"
//   data    the object's bytes at their final offsets: part k at (k-1)*PART_BYTES, so that
//   completing
//           is one link(2) and no second copy
//   parts   one line for each durable part: "NUMBER SIZE TAG CHECK\n"; the last line of a number
//   stands,
//           a line that a crash cut short fails its check and counts for nothing
// A part's bytes are on the disk before its line is. A recorded part that is written again is first
// struck out (size 0), so that no crash leaves a mix of old and new bytes under a valid line.
// All calls block. Any thread; calls on one multipart exclude each other where they must.

#include "libs/blob/blob.hpp"
#include "libs/blob/file/bucket_dir.hpp"

#include <array>
#include <shared_mutex>
#include <span>
#include <string>
#include <vector>

namespace vora::blob {

class multipart_dir {
 public:
    explicit multipart_dir(bucket_dir& bucket, bool tidy = true);

    result<std::string> begin(const std::string& key, std::uint64_t part_bytes);
    result<part_info> put_part(const std::string& key, const std::string& id, std::uint32_t number,
                               std::span<const char> bytes);
    result<std::vector<part_info>> list_parts(const std::string& key, const std::string& id);
    result<object_info> complete(const std::string& key, const std::string& id,
                                 const std::vector<part_info>& parts);
    result<void> abort(const std::string& key, const std::string& id);

 private:
    // Shared: putting and listing parts. Exclusive: completing and aborting.
    std::shared_mutex& lock_of(const std::string& id);
    // Two writers of one part take turns.
    std::mutex& part_lock_of(const std::string& id, std::uint32_t number);
    result<std::uint64_t> part_bytes_of(const std::string& key, const std::string& id) const;
    result<void> append_record(const std::string& directory, const part_info& part);
    std::string directory_of(const std::string& id) const;
    void clear_abandoned();

    bucket_dir& bucket_;
    std::array<std::shared_mutex, 16> locks_;
    std::array<std::mutex, 64> part_locks_;
    std::mutex record_lock_;
};

}  // namespace vora::blob
