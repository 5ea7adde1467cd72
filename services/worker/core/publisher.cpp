#include "services/worker/core/publisher.hpp"

#include "libs/base/fault_point.hpp"
#include "services/worker/core/playlist.hpp"
#include "services/worker/core/stored_object.hpp"
#include "services/worker/core/tool_arguments.hpp"

#include <map>

namespace vora::worker {

namespace {

constexpr std::size_t keys_a_page = 1000;

// Segments 1 to n, no hole, and their bytes together; the playlist beside them.
task<media_result<>> check_rendition(blob::reader& from, const std::string& output_prefix,
                                     const contracts::rendition_facts& rendition, attempt& a) {
    const auto missing = [] { return refuse("output_missing", "an output is missing"); };
    const auto prefix = output_prefix + rendition.name + "/";
    std::map<std::string, std::uint64_t> found;
    std::string after;
    for (;;) {
        auto page = co_await from.list(prefix, after, keys_a_page);
        if (!page) {
            co_return storage_failed(page.error());
        }
        for (const auto& object : *page) {
            found[object.key.substr(prefix.size())] = object.size_bytes;
        }
        if (page->size() < keys_a_page) {
            break;
        }
        after = page->back().key;
        if (a.should_stop()) {
            co_return stopped();
        }
    }
    std::int64_t bytes = 0;
    for (std::int64_t n = 1; n <= rendition.segments; ++n) {
        const auto segment = found.find(segment_name(static_cast<std::size_t>(n)));
        if (segment == found.end()) {
            co_return missing();
        }
        bytes += static_cast<std::int64_t>(segment->second);
    }
    if (rendition.segments < 1 || bytes != rendition.size_bytes ||
        !found.contains("playlist.m3u8")) {
        co_return missing();
    }
    co_return media_result<>{};
}

}  // namespace

task<media_result<>> publish_master(blob::reader& processed_reader, blob::writer& processed,
                                    contracts::publish_input in, attempt& a) {
    if (in.renditions.empty()) {
        co_return refuse("output_missing", "there is nothing to publish");
    }
    for (std::size_t n = 0; n < in.renditions.size(); ++n) {
        a.progress("publishing",
                   100.0 * static_cast<double>(n) / static_cast<double>(in.renditions.size()), -1);
        auto checked =
            co_await check_rendition(processed_reader, in.output_prefix, in.renditions[n], a);
        if (!checked) {
            co_return checked;
        }
    }
    fault_point("worker.before_publish");
    co_return co_await put_text_once(processed, processed_reader, in.output_prefix + "master.m3u8",
                                     master_playlist(in.renditions));
}

task<media_result<>> remove_outputs(blob::remover& processed, contracts::cleanup_input in) {
    const auto& prefix = in.output_prefix;
    if (prefix.size() < 2 || prefix.back() != '/' ||
        !blob::is_valid_key(std::string_view(prefix).substr(0, prefix.size() - 1))) {
        co_return refuse("bad_prefix", "this is no place of outputs");
    }
    auto removed = co_await processed.remove_all(prefix);
    if (!removed) {
        co_return storage_failed(removed.error());
    }
    co_return media_result<>{};
}

}  // namespace vora::worker
