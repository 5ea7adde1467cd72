#include "services/event_engine/core/accounts.hpp"

#include "libs/base/crypto.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>

namespace vora::event_engine {

namespace {

constexpr std::size_t key_bytes_min = 16;
constexpr std::size_t accounts_max = 16;

std::unexpected<error> bad(const std::string& what) {
    return fail(errc::invalid_argument, "bad_accounts", what);
}

}  // namespace

const account* accounts::find(std::string_view name, std::string_view key) const {
    const account* found = nullptr;
    for (const auto& a : all_) {
        const bool is_key = equal_constant_time(key, a.key);
        if (is_key && (a.name.empty() || a.name == name)) {
            found = &a;
        }
    }
    return found;
}

bool accounts::has_reader() const {
    return std::ranges::any_of(all_, &account::only_reads);
}

result<std::vector<account>> parse_accounts(std::string_view text) {
    std::vector<account> all;
    std::istringstream lines{std::string(text)};
    int number = 0;
    for (std::string line; std::getline(lines, line);) {
        const auto place = "line " + std::to_string(++number) + ": ";
        std::istringstream words(line);
        account a;
        std::string rights;
        if (!(words >> a.name) || a.name.starts_with('#')) {
            continue;
        }
        std::string more;
        if (!(words >> a.key >> rights) || words >> more ||
            (rights != "read" && rights != "write")) {
            return bad(place + "not NAME PASSWORD read|write");
        }
        if (a.key.size() < key_bytes_min) {
            return bad(place + "a password has at least 16 bytes");
        }
        if (std::ranges::find(all, a.name, &account::name) != all.end()) {
            return bad(place + "this name stands there twice");
        }
        a.only_reads = rights == "read";
        all.push_back(std::move(a));
    }
    if (all.empty() || all.size() > accounts_max) {
        return bad("there must be 1 to 16 accounts");
    }
    return all;
}

result<std::vector<account>> read_accounts(const std::string& path) {
    struct stat s{};
    if (::stat(path.c_str(), &s) != 0) {
        return bad(path + " cannot be read");
    }
    if ((s.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        return bad(path + " may be read by others: chmod 600");
    }
    std::ifstream file(path, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    if (!file) {
        return bad(path + " cannot be read");
    }
    auto all = parse_accounts(text);
    if (!all) {
        return bad(path + ", " + all.error().detail);
    }
    return all;
}

}  // namespace vora::event_engine
