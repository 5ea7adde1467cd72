#pragma once
// What a refusal of ClickHouse means for the caller: one table.

#include "libs/base/result.hpp"

#include <string_view>

namespace vora::clickhouse::detail {

enum class call_kind { statement, rows };

// code: ClickHouse's, 0 when the answer names none. text: the answer's body. For `rows` only what
// is wrong with the bytes themselves is clickhouse_rejected: a column or a setting the server does
// not know says nothing about the rows, and nobody may throw them away for it. A statement on a
// table that is not made yet is unavailable ("clickhouse_no_table").
error refusal(call_kind kind, int http_status, int code, std::string_view text);

}  // namespace vora::clickhouse::detail
