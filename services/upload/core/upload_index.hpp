#pragma once
// What is asked of many uploads at once, in memory; filled from the .info objects at start. The
// store is the truth, this only says where to look.

#include "services/upload/core/upload.hpp"

#include <map>
#include <string>
#include <vector>

namespace vora::upload {

class upload_index {
 public:
    struct entry {
        std::string owner;
        std::string reference;
        upload_state state = upload_state::open;
        timestamp expires;
        timestamp ended;
    };

    void put(const upload_info& info);
    void erase(const upload_id& id);
    bool contains(const upload_id& id) const { return entries_.contains(id); }
    std::vector<upload_id> with_reference(const std::string& reference) const;
    // Open uploads of the same reference and owner.
    std::size_t count_open(const std::string& reference, const std::string& owner) const;
    std::vector<upload_id> open_expired_at(timestamp now) const;
    // Expired and terminated ones that ended before.
    std::vector<upload_id> tombstones_before(timestamp t) const;
    std::size_t size() const { return entries_.size(); }

 private:
    std::map<upload_id, entry> entries_;
    std::multimap<std::string, upload_id> by_reference_;
};

}  // namespace vora::upload
