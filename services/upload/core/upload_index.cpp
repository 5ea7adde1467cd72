#include "services/upload/core/upload_index.hpp"

namespace vora::upload {

void upload_index::put(const upload_info& info) {
    const auto [it, is_new] = entries_.try_emplace(info.id);
    it->second = {info.owner, info.reference, info.state, info.expires, info.ended};
    if (is_new) {
        by_reference_.emplace(info.reference, info.id);
    }
}

void upload_index::erase(const upload_id& id) {
    const auto it = entries_.find(id);
    if (it == entries_.end()) {
        return;
    }
    const auto [first, last] = by_reference_.equal_range(it->second.reference);
    for (auto named = first; named != last; ++named) {
        if (named->second == id) {
            by_reference_.erase(named);
            break;
        }
    }
    entries_.erase(it);
}

std::vector<upload_id> upload_index::with_reference(const std::string& reference) const {
    std::vector<upload_id> ids;
    const auto [first, last] = by_reference_.equal_range(reference);
    for (auto it = first; it != last; ++it) {
        ids.push_back(it->second);
    }
    return ids;
}

std::size_t upload_index::count_open(const std::string& reference, const std::string& owner) const {
    std::size_t count = 0;
    const auto [first, last] = by_reference_.equal_range(reference);
    for (auto it = first; it != last; ++it) {
        const auto& e = entries_.at(it->second);
        count += e.state == upload_state::open && e.owner == owner ? 1 : 0;
    }
    return count;
}

std::vector<upload_id> upload_index::open_expired_at(timestamp now) const {
    std::vector<upload_id> ids;
    for (const auto& [id, e] : entries_) {
        if (e.state == upload_state::open && e.expires <= now) {
            ids.push_back(id);
        }
    }
    return ids;
}

std::vector<upload_id> upload_index::tombstones_before(timestamp t) const {
    std::vector<upload_id> ids;
    for (const auto& [id, e] : entries_) {
        const bool dead = e.state == upload_state::expired || e.state == upload_state::terminated;
        if (dead && e.ended < t) {
            ids.push_back(id);
        }
    }
    return ids;
}

}  // namespace vora::upload
