#pragma once
// The blocking half of file_store: one bucket as a directory tree. Any thread.
//
//   root/KEY                   an object; visible at once and whole, by link(2) or rename(2)
//   root/.tmp/PID.TOKEN.N      a put on its way; left-overs of dead processes go at start
//   root/.multipart/ID/        see multipart_dir.hpp

#include "libs/blob/blob.hpp"
#include "libs/blob/file/posix.hpp"

#include <atomic>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace vora::blob {

class bucket_dir {
 public:
    // Makes the directories; `tidy`: clears what dead processes left. A root that cannot be made
    // shows in the first call, as unavailable.
    explicit bucket_dir(std::string root, bool tidy = true);

    struct opened {
        posix::unique_fd fd;
        object_info info;
    };
    result<opened> open(const std::string& key) const;
    // Does not block; nothing when open() has to be asked.
    std::optional<opened> open_if_cached(const std::string& key) const;
    result<object_info> head(const std::string& key) const;
    result<std::vector<object_info>> list(const std::string& prefix, const std::string& after,
                                          std::size_t keys_max) const;
    result<void> fetch_to_file(const std::string& key, const std::string& path) const;

    result<object_info> put(const std::string& key, std::span<const char> bytes, put_mode mode);
    result<object_info> put_file(const std::string& key, const std::string& path, put_mode mode);
    // Gives a durable file inside root its key, without replacing. Also the last step of a
    // multipart.
    result<object_info> link_to_key(const std::string& file, const std::string& key);

    result<void> remove(const std::string& key);
    result<std::uint64_t> remove_all(const std::string& prefix);

    // invalid_argument ("bad_key") also for keys in the adapter's own directories.
    result<void> check_key(const std::string& key) const;
    std::string path_of(const std::string& key) const { return root_ + "/" + key; }
    const std::string& root() const { return root_; }

 private:
    std::string next_temporary();
    void clear_temporaries();
    result<void> make_parents(const std::string& key);
    result<object_info> publish(const std::string& temporary, const std::string& key,
                                put_mode mode);
    void remove_empty_parents(const std::string& key);

    std::string root_;
    std::atomic<std::uint64_t> counter_{0};
};

object_info make_info(const std::string& key, const struct ::stat& s);

}  // namespace vora::blob
