#pragma once
// Address space for one part; memory only where it was written. So a connection that sent little
// costs little, and a part is one contiguous piece for the store without copying.

#include <cstddef>
#include <span>

namespace vora::upload {

class part_buffer {
 public:
    part_buffer() = default;
    explicit part_buffer(std::size_t bytes);
    part_buffer(part_buffer&& other) noexcept;
    part_buffer& operator=(part_buffer&& other) noexcept;
    ~part_buffer();

    std::span<char> bytes() { return {data_, size_}; }
    bool empty() const { return size_ == 0; }
    // The memory of the first n bytes goes back to the system (whole pages of it); their bytes are
    // lost.
    void drop_first(std::size_t n);

 private:
    char* data_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace vora::upload
