#pragma once
// What clients send, checked field by field. A field that is not known is refused: nothing that
// only the platform decides can be set by naming it.

#include "libs/net/problem.hpp"
#include "services/metadata/core/completion.hpp"
#include "services/metadata/handlers/playback_offer.hpp"

#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace vora::metadata {

struct bad_input {
    std::string code;  // "bad_json", "invalid_fields"
    std::string detail;
    std::vector<net::field_error> errors;
};
template <class T>
using parsed = std::expected<T, bad_input>;

inline constexpr std::size_t body_bytes_max = 128 * 1024;

parsed<new_video> parse_create(std::string_view body);  // without the owner
parsed<video_patch> parse_patch(std::string_view body);
parsed<upload_id> parse_complete(std::string_view body);
parsed<playback_terms> parse_playback(std::string_view body);  // an empty body: the defaults
parsed<upload_event> parse_hook(std::string_view body);

// The versions that If-Match names; nullopt for "*". What is no strong tag of ours matches nothing.
std::optional<std::vector<std::int64_t>> parse_if_match(std::string_view header);

// True when If-None-Match names this version, weakly or not, or is "*".
bool names_version(std::string_view if_none_match, std::int64_t version);
// For requests that have nothing to say: an empty body or an empty object.
std::optional<bad_input> check_empty(std::string_view body);

// page_size, page_token, state of a listing.
parsed<video_filter> parse_filter(const net::request& r);

}  // namespace vora::metadata
