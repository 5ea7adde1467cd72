#pragma once
// The words of this service: an upload is the receiving of one file of known length, named by a
// random id, owned by a subject, tagged with an opaque reference that is handed back in hooks.

#include "libs/base/clock.hpp"
#include "libs/base/strong_id.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vora::upload {

using upload_id = strong_id<struct upload_id_tag>;

// 128 random bits as 32 lower-case hex digits, made here only.
upload_id make_upload_id();
// Checked before an id from outside is used for anything.
bool is_upload_id(std::string_view text);

enum class upload_state { open, finished, expired, terminated };

std::string_view to_string(upload_state s);
std::optional<upload_state> parse_upload_state(std::string_view text);

// What is kept in {upload_id}/.info. There is no offset: it is counted from what the store holds.
struct upload_info {
    upload_id id;
    upload_state state = upload_state::open;
    std::string owner{};
    std::string reference{};
    std::uint64_t length = 0;
    std::uint64_t part_bytes = 0;
    std::string object_name{};
    std::string metadata{};      // Upload-Metadata as the client sent it
    std::string multipart_id{};  // empty until the first full part, and after the end
    timestamp created{};
    timestamp expires{};
    timestamp ended{};  // left `open` at; the epoch while open

    std::string object_key() const { return id.value + "/" + object_name; }
};

// An upload and how many of its bytes are durable.
struct upload_view {
    upload_info info;
    std::uint64_t offset = 0;
};

// Who asks. By grant: subject and reference must be the upload's. By token: the subject must be.
struct access {
    std::string subject;
    std::string reference;
    bool by_grant = false;
    bool admin = false;
    std::optional<std::uint64_t> length_max;
};

bool may_see(const access& who, const upload_info& info);

struct upload_event {
    std::string event_id;  // the same for every try
    upload_state type = upload_state::finished;
    upload_id id;
    std::string reference;
    std::uint64_t size_bytes = 0;
    std::string object_key;
    timestamp occurred;
};

}  // namespace vora::upload
