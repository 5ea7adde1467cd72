#pragma once
// JSON from outside: exactly one object, no key twice, bounded depth. Private to this library.

#include <nlohmann/json.hpp>

#include <optional>
#include <string_view>

namespace vora::auth::detail {

// nullopt for anything that is not such an object (also for invalid UTF-8 and trailing bytes).
std::optional<nlohmann::json> parse_object(std::string_view text);

}  // namespace vora::auth::detail
