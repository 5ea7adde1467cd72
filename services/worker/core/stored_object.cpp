#include "services/worker/core/stored_object.hpp"

#include <vector>

namespace vora::worker {

task<media_result<segment_facts>> examine_stored(blob::reader& from, std::string key) {
    auto opened = co_await from.open(key, std::nullopt);
    if (!opened) {
        co_return storage_failed(opened.error());
    }
    segment_parser parser;
    std::vector<char> block(64 * 1024);
    for (;;) {
        auto read = co_await (*opened)->read(block);
        if (!read) {
            co_return storage_failed(read.error());
        }
        if (*read == 0) {
            break;
        }
        auto fed = parser.feed(std::string_view(block.data(), *read));
        if (!fed) {
            co_return refuse("output_conflict", "another output is in the way");
        }
    }
    auto facts = parser.finish();
    if (!facts) {
        co_return refuse("output_conflict", "another output is in the way");
    }
    co_return *facts;
}

task<media_result<>> put_text_once(blob::writer& to, blob::reader& from, std::string key,
                                   std::string text) {
    auto put = co_await to.put(key, text, blob::put_mode::create_only);
    if (put) {
        co_return media_result<>{};
    }
    if (put.error().code != errc::already_exists) {
        co_return storage_failed(put.error());
    }
    auto there = co_await blob::read_object(from, key, text.size() + 1);
    if (!there) {
        co_return there.error().code == errc::unavailable
            ? media_result<>(storage_failed(there.error()))
            : media_result<>(refuse("output_conflict", "another output is in the way"));
    }
    if (*there != text) {
        co_return refuse("output_conflict", "another output is in the way");
    }
    co_return media_result<>{};
}

}  // namespace vora::worker
