#include "cli/keys_command.hpp"

#include "cli/connection.hpp"
#include "libs/auth/key_ring.hpp"

#include <nlohmann/json.hpp>

#include <cstdio>

namespace vora::cli {

namespace {

std::string key_file(const keys_options& o) {
    return o.data_dir + "/keys/grants.json";
}

int complain(const keys_options& o, const error& e) {
    if (e.code == errc::not_found && e.reason == "key_file_missing") {
        std::fprintf(stderr, "vora: no keys in %s: `vora up --data %s` makes them\n",
                     o.data_dir.c_str(), o.data_dir.c_str());
    } else {
        std::fprintf(stderr, "vora: %s\n", in_words(e).c_str());
    }
    return 1;
}

}  // namespace

int run_keys_list(const keys_options& options) {
    const auto keys = auth::list_grant_keys(key_file(options), system_clock_source().now());
    if (!keys) {
        return complain(options, keys.error());
    }
    if (options.json) {
        const nlohmann::json out{{"signing", keys->signing}, {"live", keys->live}};
        std::printf("%s\n", out.dump().c_str());
        return 0;
    }
    for (const auto& id : keys->live) {
        std::printf("%s  %s\n", id.c_str(), id == keys->signing ? "signs" : "verifies");
    }
    return 0;
}

int run_keys_rotate(const keys_options& options) {
    const auto done = auth::rotate_grant_keys(key_file(options), system_clock_source().now());
    if (!done) {
        return complain(options, done.error());
    }
    if (options.json) {
        const nlohmann::json out{{"signing", done->signing},
                                 {"live", done->live},
                                 {"dropped", done->dropped},
                                 {"signs_from", to_rfc3339(done->signs_from)}};
        std::printf("%s\n", out.dump().c_str());
        return 0;
    }
    std::printf("%s signs new grants from %s on\n", done->signing.c_str(),
                to_rfc3339(done->signs_from).c_str());
    for (const auto& id : done->live) {
        if (id != done->signing) {
            std::printf("%s still verifies\n", id.c_str());
        }
    }
    for (const auto& id : done->dropped) {
        std::printf("%s is gone: what it signed is refused\n", id.c_str());
    }
    return 0;
}

int run_keys_remove(const keys_options& options) {
    const auto done =
        auth::remove_grant_key(key_file(options), options.id, system_clock_source().now());
    if (!done) {
        return complain(options, done.error());
    }
    std::printf("%s is gone: what it signed is refused\n", options.id.c_str());
    return 0;
}

}  // namespace vora::cli
