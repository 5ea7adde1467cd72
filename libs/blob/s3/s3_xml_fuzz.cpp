// Whatever a store answers: no crash, and what is taken is sound.

#include "libs/blob/s3/s3_xml.hpp"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const std::string_view xml(reinterpret_cast<const char*>(data), size);
    if (auto page = vora::blob::parse_list_objects(xml)) {
        for (const auto& o : page->objects) {
            if (o.key.empty() || o.etag.size() < 3) {
                std::abort();
            }
        }
    }
    if (auto page = vora::blob::parse_list_parts(xml)) {
        std::uint32_t last = 0;
        for (const auto& part : page->parts) {
            if (part.number <= last) {
                std::abort();
            }
            last = part.number;
        }
    }
    (void)vora::blob::parse_begin_multipart(xml);
    (void)vora::blob::parse_complete_multipart(xml);
    (void)vora::blob::parse_removed(xml);
    (void)vora::blob::s3_error_code(xml);
    return 0;
}
