#include "libs/service/stores/bucket.hpp"

#include "libs/blob/file/file_store.hpp"
#include "libs/blob/s3/s3_store.hpp"
#include "libs/service/or_throw.hpp"
#include "libs/service/stores/store_dependency.hpp"

namespace vora::service {

bucket::bucket(const host& h, const std::string& key, const std::string& url,
               const s3_settings& s) {
    const auto where = or_throw(parse_store_url(url), key);
    const auto view = [this](auto& store) {
        reader_ = &store;
        writer_ = &store;
        remover_ = &store;
    };
    if (where.s3) {
        auto o = s.bucket(where.place);
        o.metrics = &h.metrics;
        s3_ = or_throw(blob::s3_store::make(h.ex, h.pool, h.clock, std::move(o)), key);
        view(*s3_);
    } else {
        file_ = std::make_unique<blob::file_store>(where.place, h.pool);
        local_dir_ = where.place;
        view(*file_);
    }
}

bucket::~bucket() = default;

dependency bucket::ready(std::string name) const {
    if (s3_) {
        return {std::move(name), true,
                [store = s3_.get()] { return is_there(store->check(), "s3"); }};
    }
    return store_dependency(std::move(name), *reader_);
}

}  // namespace vora::service
