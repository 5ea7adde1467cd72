#include "services/upload/core/upload.hpp"

#include "libs/base/crypto.hpp"

#include <array>

namespace vora::upload {

namespace {

constexpr std::size_t id_bytes = 16;
constexpr std::array states = {upload_state::open, upload_state::finished, upload_state::expired,
                               upload_state::terminated};

}  // namespace

upload_id make_upload_id() {
    return upload_id{random_hex(id_bytes)};
}

bool is_upload_id(std::string_view text) {
    return text.size() == 2 * id_bytes &&
           text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::string_view to_string(upload_state s) {
    switch (s) {
        case upload_state::open:
            return "open";
        case upload_state::finished:
            return "finished";
        case upload_state::expired:
            return "expired";
        case upload_state::terminated:
            return "terminated";
    }
    return "open";
}

std::optional<upload_state> parse_upload_state(std::string_view text) {
    for (auto s : states) {
        if (to_string(s) == text) {
            return s;
        }
    }
    return std::nullopt;
}

bool may_see(const access& who, const upload_info& info) {
    if (who.admin) {
        return true;
    }
    return who.subject == info.owner && (!who.by_grant || who.reference == info.reference);
}

}  // namespace vora::upload
