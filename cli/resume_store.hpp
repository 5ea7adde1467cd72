#pragma once
// Remembers unfinished uploads of this user, so that the same command resumes them. One small JSON
// file (0600: upload URLs are capabilities) under $XDG_STATE_HOME/vora; entries die after a week.

#include <cstdint>
#include <optional>
#include <string>

namespace vora::cli {

struct upload_record {
    std::string video_id;
    std::string location;  // tus upload URL
};

class resume_store {
 public:
    // The key of a file at a server: server URL, absolute path, size and modification time.
    static std::string key_of(const std::string& server_url, const std::string& path);

    resume_store();
    std::optional<upload_record> find(const std::string& key) const;
    void save(const std::string& key, const upload_record& record);
    void forget(const std::string& key);

 private:
    std::string path_;
};

}  // namespace vora::cli
