#pragma once
// For what must not happen. Never on outside input. On in release builds too.

namespace vora::detail {
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);
}

#define VORA_ASSERT(expression)    \
    (static_cast<bool>(expression) \
         ? void(0)                 \
         : ::vora::detail::assertion_failed(#expression, __FILE__, __LINE__))
