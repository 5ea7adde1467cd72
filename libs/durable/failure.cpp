#include "libs/durable/failure.hpp"

namespace vora::durable {

failure failure::application(std::string type, std::string message, bool non_retryable) {
    failure f;
    f.type = std::move(type);
    f.message = std::move(message);
    f.non_retryable = non_retryable;
    return f;
}

failure failure::cancelled() {
    failure f;
    f.what = kind::cancelled;
    f.type = "cancelled";
    f.message = "cancelled";
    return f;
}

failure failure::timeout(std::string type) {
    failure f;
    f.what = kind::timeout;
    f.message = "activity timeout: " + type;
    f.type = std::move(type);
    return f;
}

failure failure::activity(std::string activity_type, failure cause) {
    failure f;
    f.what = kind::activity;
    f.message = "activity " + activity_type + " did not succeed";
    f.type = std::move(activity_type);
    f.cause = std::make_shared<const failure>(std::move(cause));
    return f;
}

const failure& failure::root() const {
    const failure* f = this;
    while (f->cause) {
        f = f->cause.get();
    }
    return *f;
}

}  // namespace vora::durable
