#pragma once
// Private to libs/blob/s3.

#include "libs/blob/blob.hpp"

#include <memory>
#include <optional>
#include <string>

namespace vora::blob {

class s3_bucket;

task<result<std::unique_ptr<object_stream>>> open_s3_stream(std::shared_ptr<s3_bucket> bucket,
                                                            std::string key,
                                                            std::optional<byte_range> range);

}  // namespace vora::blob
