#pragma once
// MD5 as S3 still asks for it: as a checksum, nothing else. Private to libs/blob/s3.

#include <string>
#include <string_view>

namespace vora::blob {

std::string md5(std::string_view bytes);  // 16 raw bytes

}  // namespace vora::blob
