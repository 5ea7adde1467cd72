#pragma once
// {events: [{event_type, video_id, ...}]} to rows.

#include "libs/base/clock.hpp"
#include "libs/base/result.hpp"
#include "services/analytics/core/event.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace vora::analytics {

inline constexpr std::size_t body_bytes_max = 64 * 1024;
inline constexpr std::size_t events_max = 500;

struct parsed_events {
    std::string rows;  // RowBinary
    std::uint32_t good = 0;
    std::array<std::uint32_t, drop_reasons> bad{};
};

// Keeps its buffers; one thread.
class event_parser {
 public:
    event_parser();
    ~event_parser();

    // invalid_argument ("not_json", "not_events": another shape), resource_exhausted
    // ("too_many_events"). A bad event among good ones is counted, not an error. Members that are
    // not known are passed over.
    result<parsed_events> parse(std::string_view body, timestamp received);

 private:
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace vora::analytics
