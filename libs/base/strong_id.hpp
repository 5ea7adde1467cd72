#pragma once

#include <compare>
#include <functional>
#include <string>

namespace vora {

// A text id that cannot be mixed up with another kind: `using upload_id = strong_id<struct
// upload_id_tag>;`
template <class Tag>
struct strong_id {
    std::string value;
    auto operator<=>(const strong_id&) const = default;
    bool empty() const { return value.empty(); }
};

}  // namespace vora

template <class Tag>
struct std::hash<vora::strong_id<Tag>> {
    std::size_t operator()(const vora::strong_id<Tag>& id) const {
        return std::hash<std::string>{}(id.value);
    }
};
