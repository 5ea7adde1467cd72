#pragma once
// JSON from outside: exactly one object, no key twice, bounded depth, valid UTF-8.

#include <nlohmann/json.hpp>

#include <optional>
#include <string_view>

namespace vora::metadata {

// nullopt for anything else.
std::optional<nlohmann::json> parse_object(std::string_view text);

}  // namespace vora::metadata
