#include "libs/blob/s3/md5.hpp"

#include "libs/base/assert.hpp"

#include <openssl/evp.h>

namespace vora::blob {

std::string md5(std::string_view bytes) {
    std::string digest(16, '\0');
    unsigned size = 0;
    const int done =
        EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()),
                   &size, EVP_md5(), nullptr);
    VORA_ASSERT(done == 1 && size == digest.size());
    return digest;
}

}  // namespace vora::blob
