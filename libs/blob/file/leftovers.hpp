#pragma once
// What lies in a bucket's directory and is no object: puts and multiparts on their way, or what a
// crash left of them. For tools; blocks.

#include "libs/base/clock.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace vora::blob {

struct leftover {
    enum class kind { temporary, multipart };
    kind what = kind::temporary;
    std::string path;  // below the root
    std::string key;   // of a multipart, as far as it can be read
    std::uint64_t size_bytes = 0;
    timestamp modified;
};

// In order of path; empty also when there is no such bucket.
std::vector<leftover> find_leftovers(const std::string& root);
bool remove_leftover(const std::string& root, const leftover& l);

}  // namespace vora::blob
