#pragma once
// At start only: what cannot be had ends the process with its words.

#include "libs/base/result.hpp"

#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace vora::service {

// `what` names the key or the file: "keys.grants_file".
template <class T>
T or_throw(result<T> r, const std::string& what = {}) {
    if (!r) {
        const auto& words = r.error().detail.empty() ? r.error().reason : r.error().detail;
        throw std::runtime_error(what.empty() ? words : what + ": " + words);
    }
    if constexpr (!std::is_void_v<T>) {
        return std::move(*r);
    }
}

}  // namespace vora::service
