#include "libs/clickhouse/errors.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace vora::clickhouse::detail {

namespace {

// The numbers are ClickHouse's own (src/Common/ErrorCodes.cpp); they never change their meaning.
// Memory, disk, quota, queries at once, size of an answer.
constexpr std::array overloaded{158, 173, 201, 202, 241, 243, 307, 396};
constexpr std::array slow{159, 160, 209};
constexpr std::array denied{192, 193, 194, 195, 497, 516};

// Bytes that are no rows of this table. Only what is listed here may make a caller give a row up:
// an error nobody knows keeps it.
constexpr std::array bad_rows{6,   25,  26,  27,  32,  33,  38,  41,  53,  69,  70, 72,
                              117, 130, 131, 321, 349, 376, 407, 467, 469, 675, 691};
// Text that is no statement of this server.
constexpr std::array bad_statement{7,   8,   10,  16,  20,  34,  36,  37,  42,  43,
                                   44,  46,  47,  48,  50,  62,  73,  115, 164, 190,
                                   352, 386, 441, 452, 456, 457, 472, 636};
constexpr int too_many_parts = 252;
// Table, database: not made yet.
constexpr std::array absent{60, 81};

template <std::size_t N>
bool among(const std::array<int, N>& codes, int code) {
    return std::ranges::find(codes, code) != codes.end();
}

std::string described(int http_status, int code, std::string_view text) {
    constexpr std::size_t line_bytes_max = 300;
    const auto line = text.substr(0, std::min(text.find('\n'), line_bytes_max));
    const auto number =
        code != 0 ? "code " + std::to_string(code) : "status " + std::to_string(http_status);
    return number + ": " + std::string(line);
}

error overload(std::string detail) {
    return {errc::resource_exhausted, "clickhouse_overloaded", std::move(detail)};
}

error rejection(std::string detail) {
    return {errc::invalid_argument, "clickhouse_rejected", std::move(detail)};
}

}  // namespace

error refusal(call_kind kind, int http_status, int code, std::string_view text) {
    auto detail = described(http_status, code, text);
    // One code for two things: too many parts passes when merges catch up, one block that spreads
    // over too many partitions will never be taken.
    if (code == too_many_parts) {
        return text.find("partitions") != std::string_view::npos ? rejection(std::move(detail))
                                                                 : overload(std::move(detail));
    }
    if (among(overloaded, code)) {
        return overload(std::move(detail));
    }
    if (among(slow, code)) {
        return {errc::deadline_exceeded, "clickhouse_slow", std::move(detail)};
    }
    if (among(denied, code) || (code == 0 && (http_status == 401 || http_status == 403))) {
        return {errc::unauthenticated, "clickhouse_denied", std::move(detail)};
    }
    if (kind == call_kind::statement && among(absent, code)) {
        return {errc::unavailable, "clickhouse_no_table", std::move(detail)};
    }
    const bool bad = among(bad_rows, code) || (code == 0 && http_status == 413);
    if (bad || (kind == call_kind::statement &&
                (among(bad_statement, code) || (code == 0 && http_status == 400)))) {
        return rejection(std::move(detail));
    }
    return {errc::unavailable, "clickhouse_unavailable", std::move(detail)};
}

}  // namespace vora::clickhouse::detail
