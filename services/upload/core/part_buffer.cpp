#include "services/upload/core/part_buffer.hpp"

#include <sys/mman.h>

#include <new>
#include <utility>

namespace vora::upload {

part_buffer::part_buffer(std::size_t bytes) : size_(bytes) {
    void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        throw std::bad_alloc();
    }
    data_ = static_cast<char*>(memory);
}

part_buffer::part_buffer(part_buffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

part_buffer& part_buffer::operator=(part_buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
}

part_buffer::~part_buffer() {
    if (data_ != nullptr) {
        ::munmap(data_, size_);
    }
}

void part_buffer::drop_first(std::size_t n) {
    constexpr std::size_t page = 4096;  // a multiple of the real one would drop less, never more
    n = n / page * page;
    if (n > 0) {
        ::madvise(data_, n, MADV_DONTNEED);
    }
}

}  // namespace vora::upload
