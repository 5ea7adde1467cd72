#include "services/upload/core/records.hpp"

#include "libs/base/encoding.hpp"
#include "libs/blob/blob.hpp"
#include "services/upload/core/part_plan.hpp"

#include <nlohmann/json.hpp>

namespace vora::upload {

namespace {

using nlohmann::json;

constexpr int version = 1;

std::unexpected<error> damaged(std::string_view what) {
    return fail(errc::data_loss, "upload_damaged", "record: " + std::string(what));
}

// Reads fields one by one and remembers the first that is missing or of the wrong type.
struct field_reader {
    const json& object;
    std::string failed;

    std::string text(const char* name) {
        const auto it = object.find(name);
        if (it == object.end() || !it->is_string()) {
            failed = name;
            return {};
        }
        return it->get<std::string>();
    }
    std::uint64_t number(const char* name) {
        const auto it = object.find(name);
        if (it == object.end() || !it->is_number_unsigned()) {
            failed = name;
            return 0;
        }
        return it->get<std::uint64_t>();
    }
    timestamp time(const char* name) {
        auto t = from_rfc3339(text(name));
        if (!t) {
            failed = name;
            return {};
        }
        return *t;
    }
    upload_state state(const char* name) {
        const auto s = parse_upload_state(text(name));
        if (!s) {
            failed = name;
            return upload_state::open;
        }
        return *s;
    }
};

}  // namespace

std::string write_info(const upload_info& info) {
    const json object = {{"version", version},
                         {"id", info.id.value},
                         {"state", to_string(info.state)},
                         {"owner", info.owner},
                         {"reference", info.reference},
                         {"length", info.length},
                         {"part_bytes", info.part_bytes},
                         {"object_name", info.object_name},
                         {"metadata", info.metadata},
                         {"multipart_id", info.multipart_id},
                         {"created_at", to_rfc3339(info.created)},
                         {"expires_at", to_rfc3339(info.expires)},
                         {"ended_at", to_rfc3339(info.ended)}};
    // Owner and reference may be any bytes; what is not UTF-8 must not throw here.
    return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

result<upload_info> read_info(std::string_view text, const upload_id& expected) {
    const auto object = json::parse(text, nullptr, false);
    if (!object.is_object()) {
        return damaged("not JSON");
    }
    field_reader fields{object, {}};
    upload_info info;
    const auto found_version = fields.number("version");
    info.id = upload_id{fields.text("id")};
    info.state = fields.state("state");
    info.owner = fields.text("owner");
    info.reference = fields.text("reference");
    info.length = fields.number("length");
    info.part_bytes = fields.number("part_bytes");
    info.object_name = fields.text("object_name");
    info.metadata = fields.text("metadata");
    info.multipart_id = fields.text("multipart_id");
    info.created = fields.time("created_at");
    info.expires = fields.time("expires_at");
    info.ended = fields.time("ended_at");
    if (!fields.failed.empty() || found_version != version) {
        return damaged("field " + fields.failed);
    }
    if (info.id != expected || info.part_bytes != part_bytes_for(info.length) ||
        !blob::is_valid_key(info.object_name) || info.object_name.starts_with('.')) {
        return damaged("inconsistent");
    }
    return info;
}

std::string write_marker(const hook_marker& marker) {
    return json{{"type", to_string(marker.type)}, {"since", to_rfc3339(marker.since)}}.dump();
}

result<hook_marker> read_marker(std::string_view text) {
    const auto object = json::parse(text, nullptr, false);
    if (!object.is_object()) {
        return damaged("not JSON");
    }
    field_reader fields{object, {}};
    hook_marker marker{fields.state("type"), fields.time("since")};
    if (!fields.failed.empty() || marker.type == upload_state::open) {
        return damaged("marker");
    }
    return marker;
}

}  // namespace vora::upload
