#include "services/worker/core/source.hpp"

#include "services/worker/core/tool_arguments.hpp"

#include <fstream>

namespace vora::worker {

namespace {

result<std::string> read_head(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::string head(sniff_bytes, '\0');
    in.read(head.data(), static_cast<std::streamsize>(head.size()));
    if (!in && !in.eof()) {
        return fail(errc::unavailable, "scratch_unavailable");
    }
    head.resize(static_cast<std::size_t>(in.gcount()));
    return head;
}

}  // namespace

task<media_result<source_file>> fetch_source(blob::reader& raw, blocking_pool& pool,
                                             std::string key, std::string directory) {
    auto info = co_await raw.head(key);
    if (!info) {
        co_return storage_failed(info.error());
    }
    if (info->size_bytes == 0) {
        co_return refuse("input_empty", "the file is empty");
    }
    const auto path = directory + "/" + input_file;
    auto fetched = co_await raw.fetch_to_file(key, path);
    if (!fetched) {
        co_return storage_failed(fetched.error());
    }
    auto head = co_await pool.run([path] { return read_head(path); });
    if (!head) {
        co_return storage_failed(head.error());
    }
    auto format = sniff(*head);
    if (!format) {
        co_return refuse("input_not_video", "the file is no video");
    }
    co_return source_file{info->size_bytes, *format};
}

}  // namespace vora::worker
