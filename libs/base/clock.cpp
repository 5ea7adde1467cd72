#include "libs/base/clock.hpp"

#include <cstdio>
#include <ctime>

namespace vora {

timestamp system_clock_source::now() const {
    return std::chrono::floor<milliseconds>(std::chrono::system_clock::now());
}

std::int64_t to_unix_ms(timestamp t) {
    return t.time_since_epoch().count();
}

timestamp from_unix_ms(std::int64_t ms) {
    return timestamp(milliseconds(ms));
}

namespace {

std::tm to_tm(timestamp t) {
    const std::time_t whole = std::chrono::floor<seconds>(t).time_since_epoch().count();
    std::tm tm{};
    gmtime_r(&whole, &tm);
    return tm;
}

bool all_digits(std::string_view text) {
    for (char c : text) {
        if (c < '0' || c > '9') {
            return false;
        }
    }
    return !text.empty();
}

int number(std::string_view digits) {
    int value = 0;
    for (char c : digits) {
        value = value * 10 + (c - '0');
    }
    return value;
}

}  // namespace

std::string to_rfc3339(timestamp t) {
    const std::tm tm = to_tm(t);
    const auto ms = (t - std::chrono::floor<seconds>(t)).count();
    char text[64];
    std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900,
                  tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                  static_cast<int>(ms));
    return text;
}

result<timestamp> from_rfc3339(std::string_view text) {
    const auto bad = fail(errc::invalid_argument, "bad_timestamp", "not an RFC 3339 time");
    if (text.size() < 20 || text[4] != '-' || text[7] != '-' ||
        (text[10] != 'T' && text[10] != 't') || text[13] != ':' || text[16] != ':') {
        return bad;
    }
    for (auto [at, n] : {std::pair{0, 4}, {5, 2}, {8, 2}, {11, 2}, {14, 2}, {17, 2}}) {
        if (!all_digits(text.substr(at, n))) {
            return bad;
        }
    }
    const std::chrono::year_month_day date{
        std::chrono::year(number(text.substr(0, 4))),
        std::chrono::month(static_cast<unsigned>(number(text.substr(5, 2)))),
        std::chrono::day(static_cast<unsigned>(number(text.substr(8, 2))))};
    const int h = number(text.substr(11, 2));
    const int m = number(text.substr(14, 2));
    const int s = number(text.substr(17, 2));
    if (!date.ok() || h > 23 || m > 59 || s > 60) {
        return bad;
    }
    std::size_t at = 19;
    int ms = 0;
    if (text[at] == '.') {
        std::size_t end = at + 1;
        while (end < text.size() && text[end] >= '0' && text[end] <= '9') {
            ++end;
        }
        std::string digits(text.substr(at + 1, end - at - 1));
        if (digits.empty() || digits.size() > 12) {
            return bad;
        }
        digits.resize(3, '0');
        ms = number(digits);
        at = end;
    }
    milliseconds offset{0};
    const auto zone = text.substr(at);
    if (zone != "Z" && zone != "z") {
        if (zone.size() != 6 || (zone[0] != '+' && zone[0] != '-') || zone[3] != ':' ||
            !all_digits(zone.substr(1, 2)) || !all_digits(zone.substr(4, 2))) {
            return bad;
        }
        const auto minutes =
            std::chrono::minutes(number(zone.substr(1, 2)) * 60 + number(zone.substr(4, 2)));
        offset = zone[0] == '+' ? minutes : -minutes;
    }
    return std::chrono::sys_days(date) + std::chrono::hours(h) + std::chrono::minutes(m) +
           seconds(s) + milliseconds(ms) - offset;
}

std::string to_http_date(timestamp t) {
    const std::tm tm = to_tm(t);
    static constexpr const char* days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr const char* months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                             "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    char text[64];
    std::snprintf(text, sizeof text, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday],
                  tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
                  tm.tm_sec);
    return text;
}

result<timestamp> from_http_date(std::string_view text) {
    std::tm tm{};
    const std::string copy(text);
    const char* end = strptime(copy.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &tm);
    if (end == nullptr || *end != '\0') {
        return fail(errc::invalid_argument, "bad_http_date", "not an HTTP date");
    }
    return timestamp(seconds(timegm(&tm)));
}

}  // namespace vora
