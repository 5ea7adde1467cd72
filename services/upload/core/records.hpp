#pragma once
// The JSON of {upload_id}/.info and {upload_id}/.hook. What does not read back exactly is data_loss
// ("upload_damaged"): a damaged record is never guessed at.

#include "libs/base/result.hpp"
#include "services/upload/core/upload.hpp"

#include <string>
#include <string_view>

namespace vora::upload {

std::string write_info(const upload_info& info);
result<upload_info> read_info(std::string_view text, const upload_id& expected);

// What is still to be told: written before the new state can be seen, removed when it was
// acknowledged.
struct hook_marker {
    upload_state type = upload_state::finished;
    timestamp since;
};

std::string write_marker(const hook_marker& marker);
result<hook_marker> read_marker(std::string_view text);

}  // namespace vora::upload
