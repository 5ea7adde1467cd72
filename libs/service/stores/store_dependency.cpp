#include "libs/service/stores/store_dependency.hpp"

namespace vora::service {

namespace {

task<result<std::string>> look_at(blob::reader& store) {
    auto r = co_await store.head("readiness");
    if (!r && r.error().code != errc::not_found) {
        co_return fail(r.error());
    }
    co_return std::string("answers");
}

}  // namespace

dependency store_dependency(std::string name, blob::reader& store) {
    return {std::move(name), true, [&store] { return look_at(store); }};
}

}  // namespace vora::service
