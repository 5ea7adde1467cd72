#include "libs/blob/file/bucket_dir.hpp"

#include "libs/base/crypto.hpp"
#include "libs/base/encoding.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>

namespace vora::blob {

namespace {

constexpr std::string_view temporary_dir = ".tmp";
constexpr std::string_view multipart_dir_name = ".multipart";

// Tells this process's temporary files from those of an earlier one with the same pid.
const std::string& process_token() {
    static const std::string token = random_hex(8);
    return token;
}

struct entry {
    std::string name;  // directories end in '/', so that sorting gives the byte order of whole keys
    bool is_directory() const { return name.ends_with('/'); }
};

result<std::vector<entry>> read_directory(const std::string& path) {
    DIR* dir = ::opendir(path.c_str());
    if (dir == nullptr) {
        return fail(posix::to_error(errno, "opendir"));
    }
    std::vector<entry> entries;
    while (const dirent* d = ::readdir(dir)) {
        const std::string_view name = d->d_name;
        if (name == "." || name == "..") {
            continue;
        }
        auto type = d->d_type;
        if (type == DT_UNKNOWN) {
            struct ::stat s{};
            if (::lstat((path + "/" + d->d_name).c_str(), &s) != 0) {
                continue;
            }
            type = S_ISDIR(s.st_mode) ? DT_DIR : S_ISREG(s.st_mode) ? DT_REG : DT_UNKNOWN;
        }
        if (type == DT_DIR) {
            entries.push_back({std::string(name) + "/"});
        } else if (type == DT_REG) {
            entries.push_back({std::string(name)});
        }
    }
    ::closedir(dir);
    std::ranges::sort(entries, {}, &entry::name);
    return entries;
}

// Walks the tree in key order and stops when the page is full.
struct key_walk {
    const bucket_dir& bucket;
    const std::string& prefix;
    const std::string& after;
    std::size_t keys_max;
    std::vector<object_info> found;

    bool full() const { return found.size() >= keys_max; }
    // May keys that start with `directory` ("a/b/") be wanted?
    bool wants_directory(const std::string& directory) const {
        const bool in_prefix = directory.starts_with(prefix) || prefix.starts_with(directory);
        return in_prefix && (directory > after || after.starts_with(directory));
    }
    result<void> visit(const std::string& directory) {
        auto entries = read_directory(bucket.root() + "/" + directory);
        if (!entries) {
            // Removed while we walk.
            return entries.error().code == errc::not_found ? result<void>{} : fail(entries.error());
        }
        for (const auto& e : *entries) {
            if (full()) {
                break;
            }
            if (directory.empty() && (e.name == ".tmp/" || e.name == ".multipart/")) {
                continue;
            }
            if (auto r = visit_entry(directory + e.name, e.is_directory()); !r) {
                return r;
            }
        }
        return {};
    }
    result<void> visit_entry(const std::string& key, bool is_directory) {
        if (is_directory) {
            return wants_directory(key) ? visit(key) : result<void>{};
        }
        if (key.starts_with(prefix) && key > after) {
            struct ::stat s{};
            if (::stat(bucket.path_of(key).c_str(), &s) == 0) {
                found.push_back(make_info(key, s));
            } else if (errno != ENOENT) {
                return fail(posix::to_error(errno, "stat"));
            }
        }
        return {};
    }
};

result<posix::unique_fd> write_new_file(const std::string& path, std::span<const char> bytes) {
    auto fd = posix::open_file(path, O_WRONLY | O_CREAT | O_EXCL);
    if (!fd) {
        return fd;
    }
    if (auto r = posix::write_at(fd->get(), bytes, 0); !r) {
        return fail(r.error());
    }
    if (auto r = posix::sync_data(fd->get()); !r) {
        return fail(r.error());
    }
    return fd;
}

struct remove_on_exit {
    const std::string& path;
    ~remove_on_exit() { ::unlink(path.c_str()); }
};

result<void> copy_to_new_file(const std::string& from, const std::string& to) {
    auto source = posix::open_file(from, O_RDONLY);
    if (!source) {
        return fail(source.error());
    }
    auto target = posix::open_file(to, O_WRONLY | O_CREAT | O_EXCL);
    if (!target) {
        return fail(target.error());
    }
    if (auto r = posix::copy_bytes(source->get(), target->get()); !r) {
        ::unlink(to.c_str());
        return r;
    }
    return posix::sync_data(target->get());
}

// Another file system, a file system without links, too many links: copy instead.
bool must_copy(int error_number) {
    return error_number == EXDEV || error_number == EPERM || error_number == EMLINK ||
           error_number == EOPNOTSUPP;
}

}  // namespace

object_info make_info(const std::string& key, const struct ::stat& s) {
    std::array<char, 80> tag{};
    std::snprintf(tag.data(), tag.size(), "\"%llx-%llx-%llx%09lx\"",
                  static_cast<unsigned long long>(s.st_ino),
                  static_cast<unsigned long long>(s.st_size),
                  static_cast<unsigned long long>(s.st_mtim.tv_sec), s.st_mtim.tv_nsec);
    const auto ms = std::int64_t{s.st_mtim.tv_sec} * 1000 + s.st_mtim.tv_nsec / 1'000'000;
    return {key, static_cast<std::uint64_t>(s.st_size), tag.data(), from_unix_ms(ms)};
}

bucket_dir::bucket_dir(std::string root, bool tidy) : root_(std::move(root)) {
    while (root_.size() > 1 && root_.ends_with('/')) {
        root_.pop_back();
    }
    for (std::size_t slash = 1; slash != std::string::npos;) {
        slash = root_.find('/', slash);
        ::mkdir(root_.substr(0, slash).c_str(), 0755);
        slash = slash == std::string::npos ? slash : slash + 1;
    }
    ::mkdir((root_ + "/" + std::string(temporary_dir)).c_str(), 0700);
    ::mkdir((root_ + "/" + std::string(multipart_dir_name)).c_str(), 0700);
    if (tidy) {
        clear_temporaries();
    }
}

void bucket_dir::clear_temporaries() {
    const auto directory = root_ + "/" + std::string(temporary_dir);
    auto entries = read_directory(directory);
    if (!entries) {
        return;
    }
    for (const auto& e : *entries) {
        const auto dot = e.name.find('.');
        auto pid = parse_uint(std::string_view(e.name).substr(0, dot));
        const bool ours = e.name.find("." + process_token() + ".") == dot;
        const bool alive = pid && *pid != static_cast<std::uint64_t>(::getpid()) &&
                           (::kill(static_cast<pid_t>(*pid), 0) == 0 || errno == EPERM);
        if (!ours && !alive) {
            ::unlink((directory + "/" + e.name).c_str());
        }
    }
}

std::string bucket_dir::next_temporary() {
    // Several stores of one process may share a bucket, so the number alone is not enough.
    return root_ + "/" + std::string(temporary_dir) + "/" + std::to_string(::getpid()) + "." +
           process_token() + "." + random_hex(4) + std::to_string(++counter_);
}

result<void> bucket_dir::check_key(const std::string& key) const {
    const auto first = std::string_view(key).substr(0, key.find('/'));
    if (!is_valid_key(key) || first == temporary_dir || first == multipart_dir_name) {
        return fail(errc::invalid_argument, "bad_key");
    }
    return {};
}

result<bucket_dir::opened> bucket_dir::open(const std::string& key) const {
    auto fd = posix::open_file(path_of(key), O_RDONLY);
    if (!fd) {
        return fail(fd.error());
    }
    auto s = posix::stat_fd(fd->get());
    if (!s) {
        return fail(s.error());
    }
    if (!S_ISREG(s->st_mode)) {
        return fail(errc::not_found, "no_such_object");
    }
    return opened{std::move(*fd), make_info(key, *s)};
}

std::optional<bucket_dir::opened> bucket_dir::open_if_cached(const std::string& key) const {
    auto fd = posix::open_if_cached(path_of(key));
    if (!fd) {
        return std::nullopt;
    }
    const auto s = posix::stat_fd(fd->get());
    if (!s || !S_ISREG(s->st_mode)) {
        return std::nullopt;
    }
    return opened{std::move(*fd), make_info(key, *s)};
}

result<object_info> bucket_dir::head(const std::string& key) const {
    struct ::stat s{};
    if (::stat(path_of(key).c_str(), &s) != 0) {
        return fail(posix::to_error(errno, "stat"));
    }
    if (!S_ISREG(s.st_mode)) {
        return fail(errc::not_found, "no_such_object");
    }
    return make_info(key, s);
}

result<std::vector<object_info>> bucket_dir::list(const std::string& prefix,
                                                  const std::string& after,
                                                  std::size_t keys_max) const {
    key_walk walk{*this, prefix, after, keys_max, {}};
    // Start at the deepest directory that the prefix names whole.
    const auto slash = prefix.rfind('/');
    const auto start = slash == std::string::npos ? std::string() : prefix.substr(0, slash + 1);
    if (!start.empty() && !check_key(start.substr(0, start.size() - 1))) {
        return walk.found;  // no key can start so
    }
    if (auto r = walk.visit(start); !r) {
        return fail(r.error());
    }
    return std::move(walk.found);
}

result<void> bucket_dir::fetch_to_file(const std::string& key, const std::string& path) const {
    auto source = open(key);
    if (!source) {
        return fail(source.error());
    }
    if (::link(path_of(key).c_str(), path.c_str()) == 0) {
        return {};
    }
    if (errno == EEXIST) {
        return fail(errc::already_exists, "path_exists");
    }
    if (!must_copy(errno)) {
        return fail(posix::to_error(errno, "link"));
    }
    return copy_to_new_file(path_of(key), path);
}

// Directories are made durable by syncing the directory that names them.
result<void> bucket_dir::make_parents(const std::string& key) {
    for (auto slash = key.find('/'); slash != std::string::npos; slash = key.find('/', slash + 1)) {
        const auto directory = path_of(key.substr(0, slash));
        if (::mkdir(directory.c_str(), 0755) == 0) {
            if (auto r = posix::sync_directory(posix::parent_of(directory)); !r) {
                return r;
            }
        } else if (errno != EEXIST) {
            return fail(posix::to_write_error(errno, "mkdir"));
        }
    }
    return {};
}

result<object_info> bucket_dir::link_to_key(const std::string& file, const std::string& key) {
    const auto path = path_of(key);
    // A removal may take the empty directory away between mkdir and link: make it again.
    for (int attempt = 0;; ++attempt) {
        if (auto r = make_parents(key); !r) {
            return fail(r.error());
        }
        if (::link(file.c_str(), path.c_str()) == 0) {
            break;
        }
        if (errno == ENOTDIR || errno == EISDIR) {
            return fail(errc::invalid_argument,
                        "key_conflict");  // an object is named like a directory
        }
        if (errno != ENOENT || attempt == 8) {
            return fail(posix::to_write_error(errno, "link"));
        }
    }
    if (auto r = posix::sync_directory(posix::parent_of(path)); !r) {
        return fail(r.error());
    }
    return head(key);
}

result<object_info> bucket_dir::publish(const std::string& temporary, const std::string& key,
                                        put_mode mode) {
    if (mode == put_mode::create_only) {
        return link_to_key(temporary, key);
    }
    const auto path = path_of(key);
    for (int attempt = 0;; ++attempt) {
        if (auto r = make_parents(key); !r) {
            return fail(r.error());
        }
        if (::rename(temporary.c_str(), path.c_str()) == 0) {
            break;
        }
        if (errno == ENOTDIR || errno == EISDIR) {
            return fail(errc::invalid_argument,
                        "key_conflict");  // an object is named like a directory
        }
        if (errno != ENOENT || attempt == 8) {
            return fail(posix::to_write_error(errno, "rename"));
        }
    }
    if (auto r = posix::sync_directory(posix::parent_of(path)); !r) {
        return fail(r.error());
    }
    return head(key);
}

result<object_info> bucket_dir::put(const std::string& key, std::span<const char> bytes,
                                    put_mode mode) {
    const auto temporary = next_temporary();
    const remove_on_exit cleanup{temporary};
    auto fd = write_new_file(temporary, bytes);
    if (!fd) {
        return fail(fd.error());
    }
    return publish(temporary, key, mode);
}

result<object_info> bucket_dir::put_file(const std::string& key, const std::string& path,
                                         put_mode mode) {
    auto source = posix::open_file(path, O_RDONLY);
    if (!source) {
        return fail(errc::invalid_argument, "no_such_file", source.error().detail);
    }
    if (auto r = posix::sync_data(source->get()); !r) {
        return fail(r.error());
    }
    const auto temporary = next_temporary();
    const remove_on_exit cleanup{temporary};
    if (::link(path.c_str(), temporary.c_str()) != 0) {
        if (!must_copy(errno)) {
            return fail(posix::to_write_error(errno, "link"));
        }
        if (auto r = copy_to_new_file(path, temporary); !r) {
            return fail(r.error());
        }
    }
    return publish(temporary, key, mode);
}

void bucket_dir::remove_empty_parents(const std::string& key) {
    for (auto slash = key.rfind('/'); slash != std::string::npos && slash > 0;
         slash = key.rfind('/', slash - 1)) {
        if (::rmdir(path_of(key.substr(0, slash)).c_str()) != 0) {
            return;
        }
    }
}

// Not synced: a removal that a power cut undoes is repeated by its caller.
result<void> bucket_dir::remove(const std::string& key) {
    if (::unlink(path_of(key).c_str()) != 0) {
        auto e = posix::to_error(errno, "unlink");
        return e.code == errc::not_found ? result<void>{} : fail(std::move(e));
    }
    remove_empty_parents(key);
    return {};
}

result<std::uint64_t> bucket_dir::remove_all(const std::string& prefix) {
    constexpr std::size_t page = 1000;
    std::uint64_t removed = 0;
    for (;;) {
        auto keys = list(prefix, "", page);
        if (!keys) {
            return fail(keys.error());
        }
        for (const auto& object : *keys) {
            if (auto r = remove(object.key); !r) {
                return fail(r.error());
            }
            ++removed;
        }
        if (keys->size() < page) {
            return removed;
        }
    }
}

}  // namespace vora::blob
