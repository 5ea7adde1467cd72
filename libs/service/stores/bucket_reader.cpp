#include "libs/service/stores/bucket_reader.hpp"

#include "libs/service/or_throw.hpp"

namespace vora::service {

std::unique_ptr<blob::s3_reader> open_s3_reader(const host& h, const std::string& key,
                                                const std::string& url, const s3_settings& s) {
    const auto where = or_throw(parse_store_url(url), key);
    if (!where.s3) {
        throw std::runtime_error(key + " must be s3:BUCKET for this service");
    }
    auto o = s.bucket(where.place);
    o.metrics = &h.metrics;
    return or_throw(blob::s3_reader::make(h.ex, h.pool, h.clock, std::move(o)), key);
}

dependency s3_dependency(std::string name, blob::s3_reader& bucket) {
    return {std::move(name), true, [&bucket] { return is_there(bucket.check(), "s3"); }};
}

}  // namespace vora::service
