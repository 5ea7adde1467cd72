// Any bytes as Upload-Metadata and as a number: no crash, and what is taken keeps the promised
// form.

#include "libs/base/encoding.hpp"
#include "services/upload/core/part_plan.hpp"
#include "services/upload/core/records.hpp"
#include "services/upload/handlers/tus_headers.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace {

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (auto pairs = vora::upload::parse_metadata(text)) {
        require(pairs->size() <= vora::upload::metadata_keys_max);
        for (const auto& [key, value] : *pairs) {
            require(!key.empty() && key.find_first_of(" ,\r\n") == std::string::npos);
        }
        require(text.find_first_of("\r\n") == std::string_view::npos);
    }
    vora::net::headers headers;
    headers.set("Upload-Length", text);
    if (auto n = vora::upload::number_field(headers, "Upload-Length")) {
        require(*n <= 9007199254740991ULL && text.find_first_not_of("0123456789") == text.npos);
    }
    if (auto e = vora::upload::parse_tail_name(text)) {
        require(vora::upload::tail_name(*e) == text);
    }
    const vora::upload::upload_id id{"0123456789abcdef0123456789abcdef"};
    if (auto info = vora::upload::read_info(text, id)) {
        require(info->id == id);
    }
    (void)vora::upload::read_marker(text);
    return 0;
}
