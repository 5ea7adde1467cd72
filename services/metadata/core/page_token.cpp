#include "services/metadata/core/page_token.hpp"

#include "libs/base/crypto.hpp"
#include "libs/base/encoding.hpp"

namespace vora::metadata {

namespace {

constexpr std::size_t token_bytes_max = 256;

std::string fingerprint(const list_query& filter) {
    const auto text = (filter.owner ? "o" + *filter.owner : std::string("a")) + '\0' +
                      (filter.state ? std::string(to_string(*filter.state)) : std::string());
    return sha256_hex(text).substr(0, 16);
}

std::unexpected<error> bad_token() {
    return fail(errc::invalid_argument, "bad_page_token",
                "the page token is not one of this listing");
}

}  // namespace

std::string encode_page_token(const list_query& filter, const list_position& last) {
    return base64url_encode("1." + std::to_string(to_unix_ms(last.created_at)) + "." +
                            last.id.value + "." + fingerprint(filter));
}

result<list_position> decode_page_token(const list_query& filter, std::string_view token) {
    if (token.size() > token_bytes_max) {
        return bad_token();
    }
    const auto text = base64url_decode(token);
    if (!text || !text->starts_with("1.")) {
        return bad_token();
    }
    const std::string_view rest = std::string_view(*text).substr(2);
    const auto first = rest.find('.');
    const auto second = first == rest.npos ? rest.npos : rest.find('.', first + 1);
    if (second == rest.npos) {
        return bad_token();
    }
    const auto created_ms = parse_uint(rest.substr(0, first));
    const auto id = rest.substr(first + 1, second - first - 1);
    if (!created_ms || !is_uuid(id) || rest.substr(second + 1) != fingerprint(filter)) {
        return bad_token();
    }
    return list_position{from_unix_ms(static_cast<std::int64_t>(*created_ms)),
                         video_id{std::string(id)}};
}

}  // namespace vora::metadata
