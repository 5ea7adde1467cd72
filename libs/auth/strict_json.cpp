#include "libs/auth/strict_json.hpp"

#include <set>
#include <string>
#include <vector>

namespace vora::auth::detail {

using nlohmann::json;

std::optional<json> parse_object(std::string_view text) {
    constexpr int depth_max = 8;
    std::vector<std::set<std::string>> open_objects;
    bool refused = false;
    // Two readers of one document may differ on which of two equal keys counts, so none may stand
    // twice.
    const auto watch = [&](int depth, json::parse_event_t event, json& parsed) {
        switch (event) {
            case json::parse_event_t::object_start:
                open_objects.emplace_back();
                break;
            case json::parse_event_t::object_end:
                open_objects.pop_back();
                break;
            case json::parse_event_t::key:
                refused |= !open_objects.back().insert(parsed.get<std::string>()).second;
                break;
            default:
                break;
        }
        refused |= depth > depth_max;
        return true;
    };
    json document = json::parse(text, watch, false);
    if (refused || !document.is_object()) {
        return std::nullopt;
    }
    return document;
}

}  // namespace vora::auth::detail
