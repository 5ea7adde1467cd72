#include "services/analytics/adapters/segment_dir.hpp"

#include "libs/base/encoding.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace vora::analytics {

namespace {

constexpr std::string_view segment_prefix = "segment-";
constexpr std::size_t number_digits = 12;
constexpr std::uint64_t segment_bytes_limit = 64 << 20;  // more is no segment of ours

std::unexpected<error> failed(const char* what) {
    const int e = errno;
    const bool full = e == ENOSPC || e == EDQUOT;
    return fail(full ? errc::resource_exhausted : errc::unavailable,
                full ? "spool_full" : "spool_error", std::string(what) + ": " + std::strerror(e));
}

result<std::shared_ptr<spool_file>> open_file(const std::string& path, int flags) {
    const int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
    if (fd < 0) {
        return failed("open");
    }
    return std::make_shared<spool_file>(fd);
}

result<std::string> read_file(const std::string& path, std::uint64_t from, std::uint64_t to) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        return fail(errc::data_loss, "spool_unreadable", "a file is gone");
    }
    if (fd < 0) {
        return failed("open");
    }
    const spool_file closes(fd);
    struct stat info{};
    if (::fstat(fd, &info) != 0) {
        return failed("stat");
    }
    to = std::min<std::uint64_t>(to, static_cast<std::uint64_t>(info.st_size));
    std::string bytes(to > from ? to - from : 0, '\0');
    std::size_t done = 0;
    while (done < bytes.size()) {
        const auto n =
            ::pread(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(from + done));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return fail(errc::data_loss, "spool_unreadable", std::strerror(errno));
        }
        if (n == 0) {
            bytes.resize(done);
        }
        done += static_cast<std::size_t>(n);
    }
    return bytes;
}

// The names in a directory; empty when there is none.
std::vector<std::string> names_in(const std::string& path) {
    std::vector<std::string> names;
    DIR* dir = ::opendir(path.c_str());
    if (dir == nullptr) {
        return names;
    }
    while (const dirent* entry = ::readdir(dir)) {
        names.emplace_back(entry->d_name);
    }
    ::closedir(dir);
    return names;
}

std::optional<std::uint64_t> number_of(const std::string& name) {
    if (!name.starts_with(segment_prefix) || name.size() != segment_prefix.size() + number_digits) {
        return std::nullopt;
    }
    const auto n = parse_uint(std::string_view(name).substr(segment_prefix.size()));
    return n ? std::optional(*n) : std::nullopt;
}

result<void> make_directory(const std::string& path) {
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
        return failed("mkdir");
    }
    return {};
}

void choose_state(opened_spool& spool, std::string_view text) {
    bool written = false;
    for (const std::size_t at : {std::size_t{0}, state_bytes_max}) {
        const auto slot = text.substr(std::min(at, text.size()), state_bytes_max);
        written = written || slot.find_first_not_of('\0') != std::string_view::npos;
        const auto s = parse_state(slot);
        if (s && (!spool.state || s->sequence > spool.state->sequence)) {
            spool.state = s;
        }
    }
    spool.state_damaged = written && !spool.state;
}

}  // namespace

spool_file::~spool_file() {
    ::close(fd_);
}

result<void> spool_file::write_at(std::uint64_t offset, std::string_view bytes) const {
    while (!bytes.empty()) {
        const auto n = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return failed("write");
        }
        bytes.remove_prefix(static_cast<std::size_t>(n));
        offset += static_cast<std::uint64_t>(n);
    }
    return {};
}

result<void> spool_file::cut_to(std::uint64_t size) const {
    if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) {
        return failed("truncate");
    }
    return {};
}

result<void> spool_file::sync() const {
    if (::fdatasync(fd_) != 0) {
        return failed("sync");
    }
    return {};
}

std::string segment_dir::file_of(std::uint64_t number) const {
    char digits[32];
    std::snprintf(digits, sizeof digits, "%0*llu", static_cast<int>(number_digits),
                  static_cast<unsigned long long>(number));
    return path_ + "/" + std::string(segment_prefix) + digits;
}

result<void> segment_dir::open_state(opened_spool& spool) const {
    const std::string path = path_ + "/state";
    auto file = open_file(path, O_RDWR | O_CREAT);
    if (!file) {
        return fail(file.error());
    }
    spool.state_file = *file;
    auto text = read_file(path, 0, 2 * state_bytes_max);
    if (!text) {
        return fail(text.error());
    }
    choose_state(spool, *text);
    if (text->size() == 2 * state_bytes_max) {
        return {};
    }
    // Both slots get their blocks now, while there is room.
    const std::string rest(2 * state_bytes_max - text->size(), '\0');
    return spool.state_file->write_at(text->size(), rest);
}

void segment_dir::find_segments(opened_spool& spool) const {
    for (const auto& name : names_in(path_)) {
        struct stat info{};
        const auto number = number_of(name);
        if (number && ::stat((path_ + "/" + name).c_str(), &info) == 0) {
            spool.segments.push_back({*number, static_cast<std::uint64_t>(info.st_size)});
        }
    }
    std::ranges::sort(spool.segments, {}, &found_segment::number);
    for (const auto& segment : spool.segments) {
        const auto head = read_file(file_of(segment.number), 0, segment_header_bytes);
        const auto header = head ? parse_segment_header(*head) : std::nullopt;
        if (header) {
            spool.id_of_segments = header->spool_id;
            return;
        }
    }
}

result<opened_spool> segment_dir::open() const {
    for (const auto& dir : {path_, path_ + "/quarantine"}) {
        if (auto r = make_directory(dir); !r) {
            return fail(r.error());
        }
    }
    opened_spool spool;
    if (auto r = open_state(spool); !r) {
        return fail(r.error());
    }
    find_segments(spool);
    const auto aside = names_in(path_ + "/quarantine");
    spool.quarantined_files = static_cast<std::uint64_t>(std::ranges::count_if(
        aside, [](const std::string& name) { return !name.starts_with('.'); }));
    return spool;
}

result<std::shared_ptr<spool_file>> segment_dir::create(const segment_header& h) const {
    const std::string path = file_of(h.number);
    auto file = open_file(path, O_WRONLY | O_CREAT | O_EXCL);
    if (!file) {
        return file;
    }
    if (auto r = (*file)->write_at(0, encode_segment_header(h)); !r) {
        ::unlink(path.c_str());
        return fail(r.error());
    }
    return file;
}

result<std::string> segment_dir::read(std::uint64_t number, std::uint64_t from,
                                      std::uint64_t to) const {
    return read_file(file_of(number), from, std::min(to, from + segment_bytes_limit));
}

result<scanned_segment> segment_dir::scan(std::uint64_t number) const {
    const auto bytes = read_file(file_of(number), 0, segment_bytes_limit);
    if (!bytes) {
        return fail(bytes.error());
    }
    scanned_segment s;
    s.header = parse_segment_header(*bytes);
    record_cursor cursor(*bytes, record_cursor::check::headers);
    while (const auto r = cursor.next()) {
        s.end_row = std::max(s.end_row, r->end_row());
        s.good_end = r->end_offset();
    }
    return s;
}

void segment_dir::remove(std::uint64_t number) const {
    ::unlink(file_of(number).c_str());
}

result<void> segment_dir::write_state(const spool_file& file, const spool_state& s) {
    std::string text = encode_state(s);
    text.resize(state_bytes_max, '\0');
    auto r = file.write_at((s.sequence % 2) * state_bytes_max, text);
    if (!r) {
        return r;
    }
    return file.sync();
}

result<void> segment_dir::put_aside(std::uint64_t segment, std::uint64_t row,
                                    std::string_view bytes) const {
    const std::string path =
        path_ + "/quarantine/" + std::to_string(segment) + "-" + std::to_string(row) + ".rowbinary";
    auto file = open_file(path, O_WRONLY | O_CREAT | O_TRUNC);
    if (!file) {
        return fail(file.error());
    }
    return (*file)->write_at(0, bytes);
}

void segment_dir::sync() const {
    const int fd = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        ::fsync(fd);
        ::close(fd);
    }
}

}  // namespace vora::analytics
