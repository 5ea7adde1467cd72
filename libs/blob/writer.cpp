#include "libs/blob/blob.hpp"

// Apart from blob.cpp: who only reads links nothing of the writer.
namespace vora::blob {

task<result<object_info>> writer::put_span(std::string key, std::span<const char> bytes,
                                           put_mode mode) {
    auto r = co_await put(std::move(key), std::string(bytes.data(), bytes.size()), mode);
    co_return r;
}

}  // namespace vora::blob
