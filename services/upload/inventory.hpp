#pragma once
// What the bucket of raw files says of one upload, for tools. Services ask the service.

#include "libs/base/clock.hpp"
#include "libs/base/result.hpp"
#include "libs/base/task.hpp"
#include "libs/blob/blob.hpp"

#include <cstdint>
#include <string>

namespace vora::upload {

struct stored_upload {
    std::string id;
    std::string state;  // "open", "finished", "expired", "terminated"
    std::string reference;
    std::uint64_t length = 0;
    std::string object_key;
    timestamp created;
    timestamp expires;
};

// A name that the service gives to uploads.
bool is_upload_name(const std::string& text);
// not_found ("no_such_upload"): no record; data_loss ("upload_damaged"): it does not read back.
task<result<stored_upload>> read_stored_upload(blob::reader& reader, std::string id);
// The upload whose record lies under this key, or empty.
std::string upload_of_key(const std::string& key);

}  // namespace vora::upload
