#pragma once

#include "libs/base/result.hpp"

#include <chrono>
#include <string>
#include <string_view>

namespace vora {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Wall time, millisecond resolution, UTC.
using timestamp = std::chrono::sys_time<milliseconds>;

// Wall time is injected, so that tests can set it (libs/testing/fake_clock.hpp).
class clock_source {
 public:
    virtual ~clock_source() = default;
    virtual timestamp now() const = 0;
};

// The real clock.
class system_clock_source final : public clock_source {
 public:
    timestamp now() const override;
};

// "2026-11-23T17:00:48.123Z"
std::string to_rfc3339(timestamp t);
result<timestamp> from_rfc3339(std::string_view text);
// RFC 9110 IMF-fixdate, "Mon, 23 Nov 2026 17:00:48 GMT"
std::string to_http_date(timestamp t);
result<timestamp> from_http_date(std::string_view text);

std::int64_t to_unix_ms(timestamp t);
timestamp from_unix_ms(std::int64_t ms);

}  // namespace vora
