#include "libs/durable/worker/activity.hpp"

namespace vora::durable {

void activity_registry::add(std::string name, activity_function f) {
    functions_[std::move(name)] = std::move(f);
}

const activity_function* activity_registry::find(const std::string& name) const {
    const auto it = functions_.find(name);
    return it == functions_.end() ? nullptr : &it->second;
}

}  // namespace vora::durable
