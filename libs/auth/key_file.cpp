#include "libs/auth/key_file.hpp"

#include "libs/auth/private_file.hpp"
#include "libs/auth/strict_json.hpp"
#include "libs/base/crypto.hpp"

#include <algorithm>

namespace vora::auth::detail {

namespace {

using nlohmann::json;

constexpr std::size_t keys_max = 16;
constexpr std::int64_t unix_ms_max = 253402300799999;  // the end of 9999

bool is_key(std::string_view key) {
    return key.size() >= 64 && key.size() <= 128 && std::ranges::all_of(key, [](unsigned char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
           });
}

bool read_keys(const json& file, key_file& f) {
    const auto keys = file.find("keys");
    if (keys == file.end() || !keys->is_object() || keys->size() > keys_max) {
        return false;
    }
    for (const auto& [id, key] : keys->items()) {
        if (!is_key_id(id) || !key.is_string() || !is_key(key.get_ref<const std::string&>())) {
            return false;
        }
        f.keys.emplace(id, key.get<std::string>());
    }
    return true;
}

bool read_signing(const json& file, key_file& f) {
    const auto signing = file.find("signing");
    if (signing == file.end() || !signing->is_string()) {
        return false;
    }
    f.signing = signing->get<std::string>();
    if (!f.keys.contains(f.signing)) {
        return false;
    }
    const auto before = file.find("signing_before");
    const auto from = file.find("signing_from");
    if (before == file.end() || from == file.end()) {
        return before == file.end() && from == file.end();
    }
    if (!before->is_string() || !from->is_number_integer()) {
        return false;
    }
    const auto from_ms = from->get<std::int64_t>();
    if (from_ms < 0 || from_ms > unix_ms_max) {
        return false;
    }
    f.signing_before = before->get<std::string>();
    f.signing_from = from_unix_ms(from_ms);
    return f.keys.contains(f.signing_before);
}

}  // namespace

bool is_key_id(std::string_view id) {
    return !id.empty() && id.size() <= 32 && std::ranges::all_of(id, [](unsigned char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               c == '_' || c == '-';
    });
}

key_file new_key_file() {
    key_file f;
    f.keys.emplace("k1", random_hex(32));
    f.signing = "k1";
    return f;
}

std::string print_key_file(const key_file& f) {
    json file = {{"signing", f.signing}, {"keys", f.keys}};
    if (!f.signing_before.empty()) {
        file["signing_before"] = f.signing_before;
        file["signing_from"] = to_unix_ms(f.signing_from);
    }
    return file.dump(2) + "\n";
}

result<key_file> read_key_file(const std::string& path) {
    const auto text = read_private_file(path);
    if (!text) {
        return fail(text.error());
    }
    const auto file = parse_object(*text);
    key_file f;
    if (!file || !read_keys(*file, f) || !read_signing(*file, f)) {
        return fail(errc::data_loss, "key_file_damaged", path + " holds no grant keys");
    }
    return f;
}

}  // namespace vora::auth::detail
