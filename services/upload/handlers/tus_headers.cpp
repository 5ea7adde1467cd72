#include "services/upload/handlers/tus_headers.hpp"

#include "libs/base/encoding.hpp"

#include <algorithm>
#include <set>

namespace vora::upload {

namespace {

std::unexpected<error> bad_metadata(std::string detail) {
    return fail(errc::invalid_argument, "bad_metadata", "Upload-Metadata: " + std::move(detail));
}

std::string_view trim(std::string_view text) {
    while (text.starts_with(' ') || text.starts_with('\t')) {
        text.remove_prefix(1);
    }
    while (text.ends_with(' ') || text.ends_with('\t')) {
        text.remove_suffix(1);
    }
    return text;
}

bool is_key(std::string_view key) {
    return !key.empty() && std::ranges::all_of(key, [](char c) { return c > 0x20 && c < 0x7f; });
}

}  // namespace

result<std::vector<std::pair<std::string, std::string>>> parse_metadata(std::string_view text) {
    if (text.size() > metadata_bytes_max) {
        return bad_metadata("more than 8192 bytes");
    }
    std::vector<std::pair<std::string, std::string>> pairs;
    std::set<std::string_view> keys;
    for (bool more = !trim(text).empty(); more;) {
        const auto comma = text.find(',');
        const auto element = trim(text.substr(0, comma));
        more = comma != std::string_view::npos;
        text.remove_prefix(more ? comma + 1 : text.size());
        const auto space = element.find(' ');
        const auto key = element.substr(0, space);
        if (!is_key(key)) {
            return bad_metadata("a key is empty or not printable ASCII");
        }
        if (!keys.insert(key).second) {
            return bad_metadata("a key stands twice");
        }
        if (keys.size() > metadata_keys_max) {
            return bad_metadata("more than 64 keys");
        }
        auto value = space == std::string_view::npos ? result<std::string>("")
                                                     : base64_decode(element.substr(space + 1));
        if (!value) {
            return bad_metadata("a value is not base64");
        }
        pairs.emplace_back(key, std::move(*value));
    }
    return pairs;
}

result<std::uint64_t> number_field(const net::headers& headers, std::string_view name) {
    std::string code = "bad_";
    for (char c : name) {
        code += c == '-' ? '_' : (c >= 'A' && c <= 'Z') ? static_cast<char>(c - 'A' + 'a') : c;
    }
    const auto text = headers.get(name);
    if (!text || headers.count(name) != 1) {
        return fail(errc::invalid_argument, code, std::string(name) + " is needed once");
    }
    auto n = parse_uint(*text);
    if (!n) {
        return fail(errc::invalid_argument, code,
                    std::string(name) + " must be digits, at most 9007199254740991");
    }
    return n;
}

}  // namespace vora::upload
