#pragma once
// The file of grant keys: {"signing": ID, "keys": {ID: HEX}, "signing_from": unix ms,
// "signing_before": ID}. The last two are there after a rotation: until that moment the key before
// goes on signing, so that every process that verifies knows the new one before it is used.

#include "libs/base/clock.hpp"
#include "libs/base/result.hpp"

#include <map>
#include <string>
#include <string_view>

namespace vora::auth::detail {

struct key_file {
    std::map<std::string, std::string, std::less<>> keys;
    std::string signing;
    std::string signing_before;  // empty: none
    timestamp signing_from;

    const std::string& signing_at(timestamp now) const {
        return now < signing_from && !signing_before.empty() ? signing_before : signing;
    }
    bool operator==(const key_file&) const = default;
};

bool is_key_id(std::string_view id);
key_file new_key_file();
std::string print_key_file(const key_file& f);
// Errors of read_private_file; data_loss ("key_file_damaged").
result<key_file> read_key_file(const std::string& path);

}  // namespace vora::auth::detail
