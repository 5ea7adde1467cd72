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

// Rows [from, to) of `bytes`, counted from 0; nullopt: there are not so many whole rows.
std::optional<std::string_view> rows_between(std::string_view bytes, std::uint64_t from,
                                             std::uint64_t to);

}  // namespace vora::analytics
