#pragma once
// A bucket for those who only read: the gateway, the worker on what was uploaded. Holds nothing
// that writes, and knows S3 alone.

#include "libs/blob/s3/s3_reader.hpp"
#include "libs/service/process.hpp"
#include "libs/service/stores/s3_settings.hpp"

#include <memory>
#include <string>

namespace vora::service {

// `key` is the configuration's ("store.processed"), for the words. Throws std::runtime_error.
std::unique_ptr<blob::s3_reader> open_s3_reader(const host& h, const std::string& key,
                                                const std::string& url, const s3_settings& s);
// For /readyz: the bucket is there and may be listed.
dependency s3_dependency(std::string name, blob::s3_reader& bucket);

}  // namespace vora::service
