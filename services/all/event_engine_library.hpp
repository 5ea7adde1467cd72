#pragma once
// The embedded engine's library: 178 MB to fetch, 566 MB on the disk, one pinned version. Fetched
// once for all of a user's platforms into $XDG_CACHE_HOME/vora/event-engine/VERSION (~/.cache).

#include "libs/base/async.hpp"
#include "libs/obs/log.hpp"

#include <string>

namespace vora::all {

class child;

class event_engine_library {
 public:
    // `given`: a library somewhere else; then nothing is fetched.
    event_engine_library(blocking_pool& pool, std::string given, obs::logger log);

    // The path of a whole, verified library; fetches it by npm when it is not there. One attempt,
    // at most one at a time in this object; another process that fetches is waited for by trying
    // again. Errors: unavailable, with a reason in words for people.
    task<result<std::string>> obtain();
    // "fetching the event engine (12 %)" while obtain() runs.
    std::string progress() const;
    static std::string version();
    // Where it is, or will be. "" without a home.
    std::string path() const;

 private:
    task<result<void>> fetch(const std::string& npm, const std::string& folder);
    task<result<void>> run(child& c, const std::string& staging, const std::string& what);
    task<result<void>> verify(const std::string& archive);
    task<result<void>> install(const std::string& staging, const std::string& target);

    blocking_pool& pool_;
    std::string given_;
    obs::logger log_;
    int percent_ = 0;
};

}  // namespace vora::all
