#include "libs/service/stores/s3_settings.hpp"

#include "libs/config/config.hpp"

namespace vora::service {

void s3_settings::bind(config::schema& s) {
    s.add("s3.endpoint", &endpoint, "the object store: http://HOST:PORT or https://HOST:PORT");
    s.add("s3.region", &region, "its region");
    s.add("s3.access_key", &access_key, "who we are there");
    s.add("s3.secret_key", &secret_key, "and how we prove it");
    s.mark_secret("s3.secret_key");
    s.add("s3.path_style", &path_style, "HOST/BUCKET/KEY; false = BUCKET.HOST/KEY");
    s.add("s3.ca_file", &ca_file,
          "PEM file of the authorities that https of s3.endpoint is checked with; empty = the "
          "system's");
}

blob::s3_options s3_settings::bucket(const std::string& name) const {
    blob::s3_options o;
    o.endpoint = endpoint;
    o.bucket = name;
    o.region = region;
    o.access_key = access_key;
    o.secret_key = secret_key;
    o.path_style = path_style;
    o.ca_file = ca_file;
    o.stall = stall;
    return o;
}

result<store_url> parse_store_url(const std::string& text) {
    for (const std::string scheme : {"s3:", "file:"}) {
        if (text.starts_with(scheme) && text.size() > scheme.size()) {
            return store_url{scheme == "s3:", text.substr(scheme.size())};
        }
    }
    return fail(errc::invalid_argument, "bad_config_value",
                "must be s3:BUCKET or file:DIR, not \"" + text + "\"");
}

}  // namespace vora::service
