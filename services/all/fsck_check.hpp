#pragma once
// The checks of `vora fsck`, one after the other over open stores and databases. See fsck.hpp.

#include "libs/base/async.hpp"
#include "libs/base/clock.hpp"
#include "libs/blob/blob.hpp"
#include "services/metadata/inventory.hpp"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace vora::all {

struct fsck_finding {
    std::string kind;     // "orphan_upload", ...
    std::string subject;  // what it is about: a key prefix, an id, a path below DIR
    std::string detail;
    std::uint64_t size_bytes = 0;
    std::string remedy;  // what --repair does; empty: nothing
    bool repaired = false;
};

struct fsck_counts {
    std::uint64_t videos = 0;
    std::uint64_t uploads = 0;
    std::uint64_t objects = 0;
    std::uint64_t bytes = 0;
    std::uint64_t young = 0;  // would be findings if they were older
};

struct fsck_bucket {
    blob::reader& reader;
    blob::remover& remover;
};

struct fsck_world {
    // Of `vora up`, whose runs and half-written files are looked at too. Empty: a stack's, which
    // goes on meanwhile; metadata itself looks after its runs there.
    std::string dir;
    std::string scratch_dir;
    fsck_bucket raw;
    fsck_bucket processed;
    metadata::inventory& videos;
    timestamp now;
    std::chrono::seconds age;  // younger things are not judged
    bool repair = false;
    std::function<void(const std::string&)> progress;
};

class fsck_check {
 public:
    explicit fsck_check(fsck_world world) : w_(std::move(world)) {}

    // unavailable, data_loss: a store or database cannot be read; what was found until then stays.
    task<result<void>> run();

    const std::vector<fsck_finding>& findings() const { return findings_; }
    const fsck_counts& counts() const { return counts_; }

 private:
    // What lies under the first segment of a key.
    struct group {
        std::string name;
        std::map<std::string, std::uint64_t> sizes;  // by key
        std::uint64_t bytes = 0;
        timestamp newest;
    };
    using visit = std::function<task<result<void>>(group)>;

    task<result<void>> for_each_group(fsck_bucket store, std::string what, visit f);
    task<result<void>> check_raw(group g);
    task<result<void>> check_processed(group g);
    task<result<void>> check_videos(std::string state);
    task<result<void>> check_ready(metadata::inventory_video v);
    task<result<void>> check_processing(metadata::inventory_video v);
    task<result<void>> check_runs();
    task<result<void>> check_leftovers(std::string bucket);
    void check_scratch();
    task<result<void>> orphan(fsck_bucket store, group g, std::string kind, std::string detail);
    task<result<void>> lost(metadata::inventory_video v, std::string detail);
    bool is_young(timestamp t);
    task<result<std::string>> missing_of(metadata::inventory_video v);

    fsck_world w_;
    std::vector<fsck_finding> findings_;
    fsck_counts counts_;
};

}  // namespace vora::all
