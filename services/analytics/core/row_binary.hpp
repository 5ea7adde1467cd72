#pragma once
// Rows of the event table in ClickHouse's RowBinary, columns in the order of
// contracts/events/playback_events.hpp.

#include "services/analytics/core/event.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace vora::analytics {

void append_row(std::string& to, const event& e);

// Bytes of the row that `bytes` starts with; nullopt: there is no whole row.
std::optional<std::size_t> row_length(std::string_view bytes);

}  // namespace vora::analytics
