#pragma once
// Who may ask. Under `vora up` there is one key, whatever the name beside it; an engine that runs
// by itself has accounts of a file.

#include "libs/base/result.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace vora::event_engine {

struct account {
    std::string name;  // empty: any
    std::string key;
    bool only_reads = false;
};

class accounts {
 public:
    explicit accounts(std::vector<account> all) : all_(std::move(all)) {}

    // nullptr: nobody. Takes the same time for every key of the same length.
    const account* find(std::string_view name, std::string_view key) const;
    bool has_reader() const;

 private:
    std::vector<account> all_;
};

// One account a line: NAME PASSWORD read|write; empty lines and such that begin with '#' count
// nothing. invalid_argument ("bad_accounts"), in words without any password.
result<std::vector<account>> parse_accounts(std::string_view text);
// A file that others may read is refused, too.
result<std::vector<account>> read_accounts(const std::string& path);

}  // namespace vora::event_engine
