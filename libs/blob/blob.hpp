#pragma once
// The object store port: a flat map from key to immutable bytes, one bucket an object of these
// types. Shaped for S3 (PUT, range GET, multipart, conditional create); the file adapter is the
// embedded default.
//
// Keys: segments of [A-Za-z0-9._-] joined by '/', no empty segment, no "." or ".." segment, at most
// 512 bytes; anything else is invalid_argument ("bad_key") and touches nothing.
//
// Three interfaces, so that a service can be given exactly what its rule allows: `reader` (gateway;
// worker on raw), `writer` (upload on raw; worker on processed), `remover` (cleanup).

#include "libs/base/clock.hpp"
#include "libs/base/result.hpp"
#include "libs/base/task.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vora::blob {

struct object_info {
    std::string key;
    std::uint64_t size_bytes = 0;
    std::string etag;  // strong, quoted as in HTTP; changes when the bytes do
    timestamp modified;
};

struct byte_range {
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
};

// An open object. Reads see one version of the bytes even if the object is removed meanwhile.
class object_stream {
 public:
    virtual ~object_stream() = default;
    virtual const object_info& info() const = 0;
    // Fills a prefix of `into` from the range asked for; 0 = its end. A short object is data_loss,
    // never a silent end. Errors: unavailable (retry), deadline_exceeded.
    virtual task<result<std::size_t>> read(std::span<char> into) = 0;
};

class reader {
 public:
    virtual ~reader() = default;
    // not_found ("no_such_object").
    virtual task<result<object_info>> head(std::string key) = 0;
    // Without a range: all of it. A range beyond the end: out_of_range ("range_not_satisfiable").
    virtual task<result<std::unique_ptr<object_stream>>> open(std::string key,
                                                              std::optional<byte_range> range) = 0;
    // All keys that start with prefix, in byte order, at most keys_max after `after`.
    virtual task<result<std::vector<object_info>>> list(std::string prefix, std::string after,
                                                        std::size_t keys_max) = 0;
    // A local path with the object's bytes, for a child process that needs a file: the file adapter
    // links the object there without copying (the caller must not write to it), others download.
    // `path` must not exist.
    virtual task<result<void>> fetch_to_file(std::string key, std::string path) = 0;
};

// Small objects whole.
task<result<std::string>> read_object(reader& r, std::string key, std::size_t bytes_max);

enum class put_mode {
    create_only,  // If-None-Match: *; already_exists ("object_exists") when the key is taken
    overwrite,    // atomic: a reader sees the old or the new bytes, never a mix
};

struct part_info {
    std::uint32_t number = 0;  // from 1
    std::uint64_t size_bytes = 0;
    std::string etag;
    std::string checksum{};  // the store's, which wants it back at the completion; may be empty
};

class writer {
 public:
    virtual ~writer() = default;
    // Durable (fsync, or the store's acknowledgement) when it returns.
    virtual task<result<object_info>> put(std::string key, std::string bytes, put_mode mode) = 0;
    // The same from memory that the caller keeps alive until it returns. Adapters override it to
    // spare the copy that this default makes.
    virtual task<result<object_info>> put_span(std::string key, std::span<const char> bytes,
                                               put_mode mode);
    // The same from a local file, which the file adapter may link instead of copying: the caller
    // gives the file up and never writes to it again.
    virtual task<result<object_info>> put_file(std::string key, std::string path,
                                               put_mode mode) = 0;

    // Multipart: parts 1..n of exactly part_bytes each but the last, in any order, each repeatable
    // (a part put twice counts once, the later bytes stand). Nothing is visible under the key
    // before complete_multipart.
    virtual task<result<std::string>> begin_multipart(std::string key,
                                                      std::uint64_t part_bytes) = 0;
    // Durable when it returns. not_found ("no_such_multipart").
    virtual task<result<part_info>> put_part(std::string key, std::string multipart_id,
                                             std::uint32_t number, std::span<const char> bytes) = 0;
    virtual task<result<std::vector<part_info>>> list_parts(std::string key,
                                                            std::string multipart_id) = 0;
    // Makes the object of parts 1..n visible at once, create-only. already_exists when the key is
    // taken; not_found when the multipart is gone (perhaps because it was completed: look at the
    // key).
    virtual task<result<object_info>> complete_multipart(std::string key, std::string multipart_id,
                                                         std::vector<part_info> parts) = 0;
    // Idempotent.
    virtual task<result<void>> abort_multipart(std::string key, std::string multipart_id) = 0;
};

class remover {
 public:
    virtual ~remover() = default;
    // Idempotent: a missing key is success.
    virtual task<result<void>> remove(std::string key) = 0;
    // Everything that starts with prefix, which must end in '/'. Idempotent. Returns how many.
    virtual task<result<std::uint64_t>> remove_all(std::string prefix) = 0;
};

bool is_valid_key(std::string_view key);

}  // namespace vora::blob
