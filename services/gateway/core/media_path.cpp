#include "services/gateway/core/media_path.hpp"

#include "libs/base/assert.hpp"
#include "libs/base/encoding.hpp"

#include <algorithm>

namespace vora::gateway {

namespace {

bool all_digits(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

std::optional<std::int64_t> segment_number(std::string_view file) {
    constexpr std::string_view before = "seg_";
    constexpr std::string_view after = ".ts";
    if (!file.starts_with(before) || !file.ends_with(after)) {
        return std::nullopt;
    }
    file.remove_prefix(before.size());
    if (file.size() <= after.size()) {
        return std::nullopt;
    }
    const auto digits = file.substr(0, file.size() - after.size());
    // At least two digits, and no zero in front beyond that.
    if (!all_digits(digits) || digits.size() < 2 || digits.size() > 9 ||
        (digits.size() > 2 && digits.front() == '0')) {
        return std::nullopt;
    }
    const auto number = parse_uint(digits);
    if (!number || *number == 0) {
        return std::nullopt;
    }
    return static_cast<std::int64_t>(*number);
}

}  // namespace

std::string_view to_string(object_kind k) {
    switch (k) {
        case object_kind::master:
            return "master";
        case object_kind::playlist:
            return "playlist";
        case object_kind::segment:
            return "segment";
        case object_kind::thumbnail:
            return "thumbnail";
    }
    VORA_ASSERT(false);
}

bool is_rendition_name(std::string_view name) {
    return name.size() >= 2 && name.size() <= 6 && name.ends_with('p') && name.front() != '0' &&
           all_digits(name.substr(0, name.size() - 1));
}

std::optional<media_path> parse_media_path(std::string_view path) {
    if (path == "master.m3u8") {
        return media_path{object_kind::master, {}, 0};
    }
    if (path == "thumbnail.jpg") {
        return media_path{object_kind::thumbnail, {}, 0};
    }
    const auto slash = path.find('/');
    if (slash == std::string_view::npos || !is_rendition_name(path.substr(0, slash))) {
        return std::nullopt;
    }
    const std::string rendition(path.substr(0, slash));
    const auto file = path.substr(slash + 1);
    if (file == "playlist.m3u8") {
        return media_path{object_kind::playlist, rendition, 0};
    }
    const auto number = segment_number(file);
    if (!number) {
        return std::nullopt;
    }
    return media_path{object_kind::segment, rendition, *number};
}

}  // namespace vora::gateway
