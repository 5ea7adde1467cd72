#pragma once
// Reading one bucket of an S3 store (MinIO, AWS, any that speaks the protocol). Target
// vora_blob_s3, which can write nothing: the gateway and whoever else only reads links this alone.
//
// Signed by SigV4; connections are kept; every call has a deadline, and what may pass is repeated
// here and nowhere above. An open object stays with one version: when its connection dies it is
// continued where it stood, if the bytes are still those (If-Match).
//
// Errors beyond the port's, none with a word of the store in its reason: unavailable
// ("storage_unavailable", "storage_bad_answer"), deadline_exceeded, resource_exhausted
// ("store_full"), aborted ("object_changed": overwritten while it was read), and for what somebody
// has to mend internal ("storage_forbidden", "storage_no_such_bucket", "storage_clock_skewed",
// "storage_refused"): repeated by nobody, and kept in trouble() for readiness. A client of ours
// gets no 4xx for these.

#include "libs/base/async.hpp"
#include "libs/base/clock.hpp"
#include "libs/blob/blob.hpp"
#include "libs/blob/s3/s3_options.hpp"

#include <memory>
#include <string>

namespace vora::blob {

class s3_bucket;

// Calls must have ended before the object goes; open objects may stay longer.
class s3_reader final : public reader {
 public:
    // `files`: for what fetch_to_file writes. Does not talk to the store yet. invalid_argument
    // ("bad_s3_options", "bad_ca_file").
    static result<std::unique_ptr<s3_reader>> make(executor ex, blocking_pool& files,
                                                   const clock_source& clock, s3_options options);
    s3_reader(std::shared_ptr<s3_bucket> bucket, blocking_pool& files);
    ~s3_reader() override;

    // For the start: the bucket is there and the keys may list it (without that right S3 answers
    // 403 for a missing key, which cannot be told from a refusal).
    task<result<void>> check();
    // The last thing that somebody has to mend, a reason of the list above; "" when calls work.
    std::string trouble() const;

    task<result<object_info>> head(std::string key) override;
    task<result<std::unique_ptr<object_stream>>> open(std::string key,
                                                      std::optional<byte_range> range) override;
    task<result<std::vector<object_info>>> list(std::string prefix, std::string after,
                                                std::size_t keys_max) override;
    task<result<void>> fetch_to_file(std::string key, std::string path) override;

 private:
    std::shared_ptr<s3_bucket> bucket_;
    blocking_pool& files_;
};

}  // namespace vora::blob
