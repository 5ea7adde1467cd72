// Histories are read back from a file: whatever is in it, reading and replaying it ends with a
// result.
#include "libs/durable/engine_embedded/history.hpp"

#include <cstddef>
#include <cstdint>

namespace vora::durable {
namespace {

workflow<outcome<std::string>> fuzzed(context& ctx, std::string in) {
    activity_options o;
    o.task_queue = "q";
    o.start_to_close_timeout = milliseconds(1);
    auto a = ctx.call_raw("a", in, o);
    auto fired = co_await ctx.sleep(milliseconds(1));
    auto s = co_await ctx.next_signal("s");
    auto r = co_await a;
    if (!fired || !s || !r || !ctx.patched("p")) {
        co_return std::string();
    }
    co_return *r;
}

}  // namespace

int read_and_replay(const std::string& text) {
    static const workflow_registry registry = [] {
        workflow_registry r;
        r.add("w", fuzzed);
        return r;
    }();
    if (auto events = history_from_json(text)) {
        (void)history_from_json(history_to_json(*events));
        (void)replay(registry, {}, "run", *events);
    }
    return 0;
}

}  // namespace vora::durable

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    return vora::durable::read_and_replay(std::string(reinterpret_cast<const char*>(data), size));
}
