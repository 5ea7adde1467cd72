#include "libs/blob/file/leftovers.hpp"

#include "libs/blob/file/posix.hpp"

#include <algorithm>
#include <filesystem>

namespace vora::blob {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t meta_bytes_max = 4096;

void add_file(leftover& l, const std::string& path) {
    struct ::stat s{};
    if (::lstat(path.c_str(), &s) == 0) {
        // What is on the disk: the data file of a multipart has holes.
        l.size_bytes += S_ISREG(s.st_mode) ? static_cast<std::uint64_t>(s.st_blocks) * 512 : 0;
        l.modified = std::max(l.modified, from_unix_ms(std::int64_t{s.st_mtim.tv_sec} * 1000));
    }
}

std::vector<std::string> names_in(const std::string& directory) {
    std::vector<std::string> names;
    std::error_code failed;
    for (fs::directory_iterator at(directory, failed), end; !failed && at != end;
         at.increment(failed)) {
        names.push_back(at->path().filename().string());
    }
    std::ranges::sort(names);
    return names;
}

}  // namespace

std::vector<leftover> find_leftovers(const std::string& root) {
    std::vector<leftover> all;
    for (const auto& name : names_in(root + "/.multipart")) {
        leftover l;
        l.what = leftover::kind::multipart;
        l.path = ".multipart/" + name;
        const auto directory = root + "/" + l.path;
        add_file(l, directory);
        for (const auto& part : names_in(directory)) {
            add_file(l, directory + "/" + part);
        }
        if (const auto meta = posix::read_whole(directory + "/meta", meta_bytes_max)) {
            l.key = meta->substr(0, meta->find('\n'));
        }
        all.push_back(std::move(l));
    }
    for (const auto& name : names_in(root + "/.tmp")) {
        leftover l;
        l.path = ".tmp/" + name;
        add_file(l, root + "/" + l.path);
        all.push_back(std::move(l));
    }
    return all;
}

bool remove_leftover(const std::string& root, const leftover& l) {
    std::error_code failed;
    fs::remove_all(root + "/" + l.path, failed);
    return !failed;
}

}  // namespace vora::blob
