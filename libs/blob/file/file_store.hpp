#pragma once
// The embedded object store: one bucket is one directory, an object is a plain file at root/KEY.
//
// Every call runs on the blocking pool. Writes are durable when they return: temporary file, fsync,
// then link(2) (create_only) or rename(2) (overwrite), then fsync of the directory. Errors: a full
// disk is resource_exhausted ("store_full"), other trouble of the file system unavailable
// ("storage_unavailable"). One limit S3 does not have: "a" and "a/b" cannot both be objects.

#include "libs/base/async.hpp"
#include "libs/blob/blob.hpp"

#include <memory>
#include <string>

namespace vora::blob {

class file_store final : public reader, public writer, public remover {
 public:
    // Makes the directory where it is missing and, if `tidy`, clears what dead processes left
    // half-written.
    file_store(std::string root_dir, blocking_pool& pool, bool tidy = true);
    ~file_store() override;
    file_store(const file_store&) = delete;

    task<result<object_info>> head(std::string key) override;
    task<result<std::unique_ptr<object_stream>>> open(std::string key,
                                                      std::optional<byte_range> range) override;
    task<result<std::vector<object_info>>> list(std::string prefix, std::string after,
                                                std::size_t keys_max) override;
    task<result<void>> fetch_to_file(std::string key, std::string path) override;

    task<result<object_info>> put(std::string key, std::string bytes, put_mode mode) override;
    task<result<object_info>> put_span(std::string key, std::span<const char> bytes,
                                       put_mode mode) override;
    task<result<object_info>> put_file(std::string key, std::string path, put_mode mode) override;
    task<result<std::string>> begin_multipart(std::string key, std::uint64_t part_bytes) override;
    task<result<part_info>> put_part(std::string key, std::string multipart_id,
                                     std::uint32_t number, std::span<const char> bytes) override;
    task<result<std::vector<part_info>>> list_parts(std::string key,
                                                    std::string multipart_id) override;
    task<result<object_info>> complete_multipart(std::string key, std::string multipart_id,
                                                 std::vector<part_info> parts) override;
    task<result<void>> abort_multipart(std::string key, std::string multipart_id) override;

    task<result<void>> remove(std::string key) override;
    task<result<std::uint64_t>> remove_all(std::string prefix) override;

 private:
    struct state;
    std::shared_ptr<state> state_;  // shared with calls that are on the pool
    blocking_pool& pool_;
};

}  // namespace vora::blob
