#pragma once
// Opaque page tokens: the last row shown, bound to the filter it was shown under. They grant
// nothing: the owner filter always comes from the caller.

#include "services/metadata/core/ports.hpp"

#include <string>
#include <string_view>

namespace vora::metadata {

std::string encode_page_token(const list_query& filter, const list_position& last);
// invalid_argument ("bad_page_token"), also for a token of another filter.
result<list_position> decode_page_token(const list_query& filter, std::string_view token);

}  // namespace vora::metadata
