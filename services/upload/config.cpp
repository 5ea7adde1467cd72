#include "services/upload/config.hpp"

#include "libs/blob/blob.hpp"

namespace vora::upload {

void config::bind(vora::config::schema& s) {
    s.add("upload.size_max_bytes", &size_max_bytes, "largest file that is taken", 1);
    s.add("upload.expiry_s", &expiry, "life of an unfinished upload");
    s.add("upload.object_name", &object_name, "name of the stored file below its upload id");
    s.add("upload.memory_bytes", &memory_bytes, "budget for the buffers of all uploads", 1 << 20);
    s.add("upload.open_per_reference_max", &open_per_reference_max,
          "open uploads for one reference at a time", 1);
    s.add("upload.tombstone_s", &tombstone, "how long the record of a dead upload is kept");
}

result<void> config::check() const {
    if (!blob::is_valid_key(object_name) || object_name.find('/') != std::string::npos ||
        object_name.starts_with('.')) {
        return fail(errc::invalid_argument, "bad_config_value",
                    "upload.object_name must be a plain file name");
    }
    return {};
}

}  // namespace vora::upload
