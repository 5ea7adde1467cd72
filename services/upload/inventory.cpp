#include "services/upload/inventory.hpp"

#include "services/upload/core/records.hpp"

namespace vora::upload {

namespace {
constexpr std::size_t record_bytes_max = 64 << 10;
}

bool is_upload_name(const std::string& text) {
    return is_upload_id(text);
}

std::string upload_of_key(const std::string& key) {
    const auto id = key.substr(0, key.find('/'));
    return is_upload_id(id) ? id : "";
}

task<result<stored_upload>> read_stored_upload(blob::reader& reader, std::string id) {
    auto text = co_await blob::read_object(reader, id + "/.info", record_bytes_max);
    if (!text) {
        co_return text.error().code == errc::not_found ? fail(errc::not_found, "no_such_upload")
                                                       : fail(text.error());
    }
    auto info = read_info(*text, upload_id{id});
    if (!info) {
        co_return fail(info.error());
    }
    stored_upload u;
    u.id = id;
    u.state = to_string(info->state);
    u.reference = info->reference;
    u.length = info->length;
    u.object_key = info->object_key();
    u.created = info->created;
    u.expires = info->expires;
    co_return u;
}

}  // namespace vora::upload
