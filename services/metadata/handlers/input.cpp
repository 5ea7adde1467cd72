#include "services/metadata/handlers/input.hpp"

#include "libs/base/encoding.hpp"
#include "services/metadata/core/text_rules.hpp"
#include "services/metadata/handlers/strict_json.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>

namespace vora::metadata {

namespace {

constexpr std::size_t page_size_default = 50;
constexpr std::size_t page_size_max = 200;
constexpr std::size_t errors_max = 20;

// 60 and 60.0 are the same number in JSON Schema. Beyond int64 the nearest one, which no limit of
// ours allows.
std::optional<std::int64_t> whole_number(const nlohmann::json& value) {
    constexpr auto most = std::numeric_limits<std::int64_t>::max();
    if (value.is_number_unsigned()) {
        return static_cast<std::int64_t>(
            std::min(value.get<std::uint64_t>(), static_cast<std::uint64_t>(most)));
    }
    if (value.is_number_integer()) {
        return value.get<std::int64_t>();
    }
    if (!value.is_number_float() || value.get<double>() != std::floor(value.get<double>())) {
        return std::nullopt;
    }
    constexpr double exact_max = 9007199254740992.0;  // 2^53: whole numbers are exact up to here
    const double number = value.get<double>();
    return number > exact_max    ? most
           : number < -exact_max ? -most
                                 : static_cast<std::int64_t>(number);
}

// The fields of one object; collects what is wrong with them.
class fields {
 public:
    fields(nlohmann::json object, std::initializer_list<std::string_view> known)
        : object_(std::move(object)) {
        for (const auto& [key, value] : object_.items()) {
            if (std::ranges::find(known, key) == known.end()) {
                refuse(key, "unknown_field", "is not a field that can be given here");
            }
        }
    }

    bool has(const char* name) const { return object_.contains(name); }

    void refuse(std::string_view name, std::string_view code, std::string_view detail) {
        if (errors_.size() < errors_max) {
            errors_.push_back({pointer(name), std::string(code), std::string(detail)});
        }
    }

    std::optional<std::string> text(const char* name) {
        const auto found = object_.find(name);
        if (found == object_.end()) {
            return std::nullopt;
        }
        if (!found->is_string()) {
            refuse(name, "wrong_type", "must be a string");
            return std::nullopt;
        }
        return found->get<std::string>();
    }

    std::optional<std::string> required_text(const char* name) {
        if (!has(name)) {
            refuse(name, "required", "is required");
        }
        return text(name);
    }

    template <class Rule>
    void check(const char* name, const std::optional<std::string>& value, Rule rule) {
        if (!value) {
            return;
        }
        if (const auto wrong = rule(*value)) {
            refuse(name, wrong->code, wrong->detail);
        }
    }

    std::optional<visibility> visible() {
        const auto value = text("visibility");
        if (!value) {
            return std::nullopt;
        }
        const auto v = parse_visibility(*value);
        if (!v) {
            refuse("visibility", "unknown_value", "must be \"private\" or \"public\"");
        }
        return v;
    }

    std::optional<std::int64_t> integer(const char* name, std::int64_t least, std::int64_t most) {
        const auto found = object_.find(name);
        if (found == object_.end()) {
            return std::nullopt;
        }
        const auto value = whole_number(*found);
        if (!value || *value < least || *value > most) {
            refuse(name, value ? "out_of_range" : "wrong_type",
                   "must be a whole number from " + std::to_string(least) + " to " +
                       std::to_string(most));
            return std::nullopt;
        }
        return value;
    }

    bool good() const { return errors_.empty(); }
    std::unexpected<bad_input> refusal() {
        return std::unexpected(bad_input{"invalid_fields",
                                         errors_.front().pointer + " " + errors_.front().detail,
                                         std::move(errors_)});
    }

 private:
    static std::string pointer(std::string_view name) {
        std::string out = "/";
        for (const char c : name.substr(0, 100)) {
            out += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
        }
        return out;
    }

    nlohmann::json object_;
    std::vector<net::field_error> errors_;
};

std::unexpected<bad_input> bad_json() {
    return std::unexpected(
        bad_input{"bad_json", "the body must be one JSON object, UTF-8, with no key twice", {}});
}

std::unexpected<bad_input> bad_query(std::string_view name, std::string_view detail) {
    return std::unexpected(bad_input{"bad_" + std::string(name), std::string(detail), {}});
}

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(" \t");
    const auto last = text.find_last_not_of(" \t");
    return first == text.npos ? std::string_view() : text.substr(first, last - first + 1);
}

}  // namespace

parsed<new_video> parse_create(std::string_view body) {
    auto object = parse_object(body);
    if (!object) {
        return bad_json();
    }
    fields f(std::move(*object), {"title", "description", "visibility"});
    auto title = f.required_text("title");
    f.check("title", title, check_title);
    auto description = f.text("description");
    f.check("description", description, check_description);
    const auto visible = f.visible();
    if (!f.good()) {
        return f.refusal();
    }
    new_video v;
    v.title = std::move(*title);
    v.description = std::move(description).value_or("");
    v.visible = visible.value_or(visibility::only_owner);
    return v;
}

parsed<video_patch> parse_patch(std::string_view body) {
    auto object = parse_object(body);
    if (!object) {
        return bad_json();
    }
    fields f(std::move(*object), {"title", "description", "visibility"});
    video_patch patch;
    patch.title = f.text("title");
    f.check("title", patch.title, check_title);
    patch.description = f.text("description");
    f.check("description", patch.description, check_description);
    patch.visible = f.visible();
    if (!f.good()) {
        return f.refusal();
    }
    return patch;
}

parsed<upload_id> parse_complete(std::string_view body) {
    auto object = parse_object(body);
    if (!object) {
        return bad_json();
    }
    fields f(std::move(*object), {"upload_id"});
    auto id = f.required_text("upload_id");
    if (id && id->empty()) {
        f.refuse("upload_id", "too_short", "must not be empty");
    }
    if (!f.good()) {
        return f.refusal();
    }
    return upload_id{std::move(*id)};
}

parsed<playback_terms> parse_playback(std::string_view body) {
    if (body.empty()) {
        return playback_terms{};
    }
    auto object = parse_object(body);
    if (!object) {
        return bad_json();
    }
    fields f(std::move(*object), {"ttl_s", "max_height"});
    const auto ttl_s = f.integer("ttl_s", 1, playback_ttl_s_max);
    const auto max_height = f.integer("max_height", 1, max_height_most);
    if (!f.good()) {
        return f.refusal();
    }
    playback_terms terms;
    if (ttl_s) {
        terms.ttl = std::chrono::seconds(*ttl_s);
    }
    terms.max_height = static_cast<int>(max_height.value_or(0));
    return terms;
}

parsed<upload_event> parse_hook(std::string_view body) {
    auto object = parse_object(body);
    if (!object) {
        return bad_json();
    }
    const auto type = object->value("type", nlohmann::json());
    const auto id = object->value("upload_id", nlohmann::json());
    const auto reference = object->value("reference", nlohmann::json());
    if (!type.is_string() || !id.is_string() || !reference.is_string()) {
        return std::unexpected(
            bad_input{"invalid_fields", "type, upload_id and reference must be strings", {}});
    }
    const auto status = parse_upload_status(type.get<std::string>());
    if (status != upload_status::finished && status != upload_status::expired &&
        status != upload_status::terminated) {
        return std::unexpected(bad_input{"invalid_fields", "an unknown type of event", {}});
    }
    return upload_event{*status, upload_id{id.get<std::string>()}, reference.get<std::string>()};
}

std::optional<std::vector<std::int64_t>> parse_if_match(std::string_view header) {
    std::vector<std::int64_t> versions;
    while (!header.empty()) {
        const auto comma = header.find(',');
        const auto tag = trimmed(header.substr(0, comma));
        header = comma == header.npos ? std::string_view() : header.substr(comma + 1);
        if (tag == "*") {
            return std::nullopt;
        }
        if (tag.size() < 3 || tag.front() != '"' || tag.back() != '"') {
            continue;
        }
        if (const auto n = parse_uint(tag.substr(1, tag.size() - 2))) {
            versions.push_back(static_cast<std::int64_t>(*n));
        }
    }
    return versions;
}

bool names_version(std::string_view if_none_match, std::int64_t version) {
    const auto wanted = "\"" + std::to_string(version) + "\"";
    while (!if_none_match.empty()) {
        const auto comma = if_none_match.find(',');
        auto tag = trimmed(if_none_match.substr(0, comma));
        if_none_match =
            comma == if_none_match.npos ? std::string_view() : if_none_match.substr(comma + 1);
        if (tag.starts_with("W/")) {
            tag.remove_prefix(2);
        }
        if (tag == "*" || tag == wanted) {
            return true;
        }
    }
    return false;
}

std::optional<bad_input> check_empty(std::string_view body) {
    if (body.empty()) {
        return std::nullopt;
    }
    auto object = parse_object(body);
    if (!object) {
        return bad_json().error();
    }
    fields f(std::move(*object), {});
    if (!f.good()) {
        return f.refusal().error();
    }
    return std::nullopt;
}

parsed<video_filter> parse_filter(const net::request& r) {
    video_filter filter;
    filter.page_size = page_size_default;
    if (const auto size = r.query_value("page_size")) {
        const auto n = parse_uint(*size);
        if (!n || *n == 0) {
            return bad_query("page_size", "page_size must be a whole number from 1 to 200");
        }
        filter.page_size = static_cast<std::size_t>(std::min<std::uint64_t>(*n, page_size_max));
    }
    if (const auto state = r.query_value("state")) {
        filter.state = parse_video_state(*state);
        if (!filter.state) {
            return bad_query("state", "state must be CREATED, PROCESSING, READY or FAILED");
        }
    }
    filter.page_token = std::string(r.query_value("page_token").value_or(""));
    return filter;
}

}  // namespace vora::metadata
