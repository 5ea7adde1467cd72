#pragma once
// Reading, writing and removing in one bucket of an S3 store: s3_reader.hpp says how and with which
// errors. Target vora_blob_s3_store.
//
// What creates is conditional (If-None-Match: *), so the store decides between writers. An answer
// that was lost is not guessed: a repetition that finds the key taken looks whether the object is
// the one it sent (by a mark of its own on a put, by the etag that its parts make on a complete).
// Bytes are not hashed on the way (UNSIGNED-PAYLOAD); memory per call is constant.

#include "libs/blob/blob.hpp"
#include "libs/blob/s3/s3_reader.hpp"

#include <memory>
#include <string>

namespace vora::blob {

class s3_store final : public reader, public writer, public remover {
 public:
    // As s3_reader::make; `files` also for what put_file reads.
    static result<std::unique_ptr<s3_store>> make(executor ex, blocking_pool& files,
                                                  const clock_source& clock, s3_options options);
    s3_store(std::shared_ptr<s3_bucket> bucket, blocking_pool& files);
    ~s3_store() override;

    task<result<void>> check() { return reader_.check(); }
    std::string trouble() const { return reader_.trouble(); }
    // Makes the bucket if it is not there. For installations that have no other hand for it.
    task<result<void>> make_bucket();

    task<result<object_info>> head(std::string key) override;
    task<result<std::unique_ptr<object_stream>>> open(std::string key,
                                                      std::optional<byte_range> range) override;
    task<result<std::vector<object_info>>> list(std::string prefix, std::string after,
                                                std::size_t keys_max) override;
    task<result<void>> fetch_to_file(std::string key, std::string path) override;

    task<result<object_info>> put(std::string key, std::string bytes, put_mode mode) override;
    task<result<object_info>> put_span(std::string key, std::span<const char> bytes,
                                       put_mode mode) override;
    // At most 5 GiB, S3's limit of one put: resource_exhausted ("object_too_large").
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
    struct payload;
    task<result<std::string>> checksum_of(payload p);
    task<result<object_info>> put_any(std::string key, payload p, put_mode mode);

    std::shared_ptr<s3_bucket> bucket_;
    s3_reader reader_;
    blocking_pool& files_;
};

}  // namespace vora::blob
