#include "services/metadata/core/ports.hpp"

namespace vora::metadata {

std::string_view to_string(upload_status s) {
    switch (s) {
        case upload_status::open:
            return "open";
        case upload_status::finished:
            return "finished";
        case upload_status::expired:
            return "expired";
        case upload_status::terminated:
            return "terminated";
        case upload_status::surplus:
            return "surplus";
        case upload_status::removed:
            return "removed";
    }
    return "";
}

std::optional<upload_status> parse_upload_status(std::string_view text) {
    for (const auto s :
         {upload_status::open, upload_status::finished, upload_status::expired,
          upload_status::terminated, upload_status::surplus, upload_status::removed}) {
        if (text == to_string(s)) {
            return s;
        }
    }
    return std::nullopt;
}

}  // namespace vora::metadata
