#pragma once
// A bucket by its URL, "s3:BUCKET" or "file:DIR", in the three views that services are given.

#include "libs/blob/blob.hpp"
#include "libs/service/process.hpp"
#include "libs/service/stores/s3_settings.hpp"

#include <memory>
#include <string>

namespace vora::blob {
class file_store;
class s3_store;
}  // namespace vora::blob

namespace vora::service {

class bucket {
 public:
    // `key` is the configuration's ("store.raw"), for the words. Throws std::runtime_error.
    bucket(const host& h, const std::string& key, const std::string& url, const s3_settings& s);
    ~bucket();
    bucket(const bucket&) = delete;

    blob::reader& reader() const { return *reader_; }
    blob::writer& writer() const { return *writer_; }
    blob::remover& remover() const { return *remover_; }
    // Of a directory; empty: not on a disk of ours.
    const std::string& local_dir() const { return local_dir_; }
    // For /readyz.
    dependency ready(std::string name) const;

 private:
    std::unique_ptr<blob::file_store> file_;
    std::unique_ptr<blob::s3_store> s3_;
    blob::reader* reader_ = nullptr;
    blob::writer* writer_ = nullptr;
    blob::remover* remover_ = nullptr;
    std::string local_dir_;
};

}  // namespace vora::service
