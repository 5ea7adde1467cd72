#include "libs/blob/file/multipart_dir.hpp"

#include "libs/base/crypto.hpp"
#include "libs/base/encoding.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <map>
#include <mutex>

namespace vora::blob {

namespace {

constexpr std::uint32_t parts_max = 10'000;
constexpr std::size_t record_bytes_max = 64 << 20;
constexpr std::time_t abandoned_after_s = 7 * 86'400;
// The beginning of an object stays in the kernel's memory: it is looked at as soon as it is whole,
// and a small object is read at once. The rest of a large one is read later, once and in order;
// kept, it would drive out what is read again and again, and taking ever new memory for it costs
// more than writing it (bench/README.md).
constexpr std::uint64_t kept_in_memory_bytes = 64 << 20;

bool is_multipart_id(std::string_view id) {
    return id.size() == 32 && id.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::unexpected<error> no_such_multipart() {
    return fail(errc::not_found, "no_such_multipart");
}

// FNV-1a: against lines that were cut or garbled, not against forgers.
std::string check_of(std::string_view line) {
    std::uint32_t h = 0x811c9dc5;
    for (const char c : line) {
        h = (h ^ static_cast<unsigned char>(c)) * 0x01000193;
    }
    std::array<char, 9> text{};
    std::snprintf(text.data(), text.size(), "%08x", h);
    return text.data();
}

std::string to_line(const part_info& part) {
    auto line =
        std::to_string(part.number) + " " + std::to_string(part.size_bytes) + " " + part.etag;
    return line + " " + check_of(line) + "\n";
}

// The part of one line, number 0 when the line is not whole.
part_info from_line(std::string_view line) {
    const auto last = line.rfind(' ');
    if (last == std::string_view::npos || check_of(line.substr(0, last)) != line.substr(last + 1)) {
        return {};
    }
    line = line.substr(0, last);
    const auto first = line.find(' ');
    const auto second = line.find(' ', first + 1);
    if (second == std::string_view::npos) {
        return {};
    }
    auto number = parse_uint(line.substr(0, first));
    auto size = parse_uint(line.substr(first + 1, second - first - 1));
    if (!number || !size || *number > parts_max) {
        return {};
    }
    return {static_cast<std::uint32_t>(*number), *size, std::string(line.substr(second + 1))};
}

// Whether any line, valid or not, names the part. Cheap: it is asked for each part that is put.
result<bool> was_recorded(const std::string& directory, std::uint32_t number) {
    auto text = posix::read_whole(directory + "/parts", record_bytes_max);
    if (!text) {
        return fail(text.error());
    }
    const auto start = std::to_string(number) + " ";
    return text->starts_with(start) || text->find("\n" + start) != std::string::npos;
}

result<std::map<std::uint32_t, part_info>> read_records(const std::string& directory) {
    auto text = posix::read_whole(directory + "/parts", record_bytes_max);
    if (!text) {
        return fail(text.error());
    }
    std::map<std::uint32_t, part_info> parts;
    for (std::string_view rest = *text; !rest.empty();) {
        const auto end = rest.find('\n');
        if (end == std::string_view::npos) {
            break;  // cut short: not durable
        }
        auto part = from_line(rest.substr(0, end));
        rest.remove_prefix(end + 1);
        if (part.number == 0) {
            continue;
        }
        if (part.size_bytes == 0) {
            parts.erase(part.number);
        } else {
            parts[part.number] = std::move(part);
        }
    }
    return parts;
}

// The size of the object that these parts make, if they are the recorded ones and leave no gap.
result<std::uint64_t> total_of(const std::vector<part_info>& wanted,
                               const std::map<std::uint32_t, part_info>& recorded,
                               std::uint64_t part_bytes) {
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        const auto& part = wanted[i];
        const auto found = recorded.find(part.number);
        const bool last = i + 1 == wanted.size();
        if (part.number != i + 1 || found == recorded.end() || found->second.etag != part.etag ||
            found->second.size_bytes != part.size_bytes ||
            (!last && part.size_bytes != part_bytes)) {
            return fail(errc::failed_precondition, "part_mismatch",
                        "part " + std::to_string(i + 1));
        }
        total += part.size_bytes;
    }
    if (wanted.empty()) {
        return fail(errc::invalid_argument, "no_parts");
    }
    return total;
}

}  // namespace

multipart_dir::multipart_dir(bucket_dir& bucket, bool tidy) : bucket_(bucket) {
    if (tidy) {
        clear_abandoned();
    }
}

// A crash between begin() and the caller's note of the id leaves a multipart that nobody knows. It
// has no part, so it is recognised by age alone.
void multipart_dir::clear_abandoned() {
    std::error_code ec;
    std::filesystem::directory_iterator all(bucket_.root() + "/.multipart", ec);
    if (ec) {
        return;
    }
    for (const auto& entry : all) {
        struct ::stat s{};
        const auto parts = entry.path().string() + "/parts";
        const bool started = ::stat(parts.c_str(), &s) == 0 && s.st_size > 0;
        if (!started && ::stat(entry.path().c_str(), &s) == 0 &&
            s.st_mtim.tv_sec + abandoned_after_s < std::time(nullptr)) {
            std::filesystem::remove_all(entry.path(), ec);
        }
    }
}

std::shared_mutex& multipart_dir::lock_of(const std::string& id) {
    return locks_[std::hash<std::string>{}(id) % locks_.size()];
}

std::mutex& multipart_dir::part_lock_of(const std::string& id, std::uint32_t number) {
    return part_locks_[(std::hash<std::string>{}(id) + number) % part_locks_.size()];
}

std::string multipart_dir::directory_of(const std::string& id) const {
    return bucket_.root() + "/.multipart/" + id;
}

result<std::uint64_t> multipart_dir::part_bytes_of(const std::string& key,
                                                   const std::string& id) const {
    if (!is_multipart_id(id)) {
        return no_such_multipart();
    }
    auto meta = posix::read_whole(directory_of(id) + "/meta", 4096);
    if (!meta) {
        return meta.error().code == errc::not_found ? result<std::uint64_t>(no_such_multipart())
                                                    : fail(meta.error());
    }
    const auto newline = meta->find('\n');
    if (newline == std::string::npos || meta->substr(0, newline) != key || !meta->ends_with('\n')) {
        return no_such_multipart();
    }
    auto bytes =
        parse_uint(std::string_view(*meta).substr(newline + 1, meta->size() - newline - 2));
    if (!bytes) {
        return fail(errc::data_loss, "multipart_damaged");
    }
    return *bytes;
}

result<std::string> multipart_dir::begin(const std::string& key, std::uint64_t part_bytes) {
    if (part_bytes == 0) {
        return fail(errc::invalid_argument, "bad_part_size");
    }
    const auto id = random_hex(16);
    const auto directory = directory_of(id);
    if (::mkdir(directory.c_str(), 0700) != 0) {
        return fail(posix::to_write_error(errno, "mkdir"));
    }
    const auto meta = key + "\n" + std::to_string(part_bytes) + "\n";
    for (const auto* name : {"/data", "/parts", "/meta"}) {
        auto fd = posix::open_file(directory + name, O_WRONLY | O_CREAT | O_EXCL);
        if (!fd) {
            return fail(fd.error());
        }
        if (std::string_view(name) != "/meta") {
            continue;
        }
        if (auto r = posix::write_at(fd->get(), meta, 0); !r) {
            return fail(r.error());
        }
        if (auto r = posix::sync_data(fd->get()); !r) {
            return fail(r.error());
        }
    }
    for (const auto& path : {directory, posix::parent_of(directory)}) {
        if (auto r = posix::sync_directory(path); !r) {
            return fail(r.error());
        }
    }
    return id;
}

result<void> multipart_dir::append_record(const std::string& directory, const part_info& part) {
    auto fd = posix::open_file(directory + "/parts", O_RDWR);
    if (!fd) {
        return fail(fd.error());
    }
    {
        const std::lock_guard guard(record_lock_);
        auto s = posix::stat_fd(fd->get());
        if (!s) {
            return fail(s.error());
        }
        auto line = to_line(part);
        const auto end = static_cast<std::uint64_t>(s->st_size);
        if (end > 0) {
            char last = 0;
            auto n = posix::read_at(fd->get(), std::span(&last, 1), end - 1);
            if (!n) {
                return fail(n.error());
            }
            if (last != '\n') {
                line.insert(line.begin(), '\n');  // after a line that was cut short
            }
        }
        if (auto r = posix::write_at(fd->get(), line, end); !r) {
            return r;
        }
    }
    return posix::sync_data(fd->get());
}

result<part_info> multipart_dir::put_part(const std::string& key, const std::string& id,
                                          std::uint32_t number, std::span<const char> bytes) {
    const std::shared_lock guard(lock_of(id));
    auto part_bytes = part_bytes_of(key, id);
    if (!part_bytes) {
        return fail(part_bytes.error());
    }
    if (number == 0 || number > parts_max || bytes.empty() || bytes.size() > *part_bytes) {
        return fail(errc::invalid_argument, "bad_part");
    }
    const std::lock_guard part_guard(part_lock_of(id, number));
    const auto directory = directory_of(id);
    auto fd = posix::open_file(directory + "/data", O_WRONLY);
    if (!fd) {
        return fd.error().code == errc::not_found ? result<part_info>(no_such_multipart())
                                                  : fail(fd.error());
    }
    auto s = posix::stat_fd(fd->get());
    auto recorded = was_recorded(directory, number);
    if (!s || !recorded) {
        return fail(s ? recorded.error() : s.error());
    }
    if (s->st_nlink > 1) {
        return no_such_multipart();  // completed: these bytes are an object now
    }
    if (*recorded) {
        if (auto r = append_record(directory, {number, 0, "-"}); !r) {
            return fail(r.error());
        }
    }
    const auto offset = (number - 1) * *part_bytes;
    if (auto r = posix::write_at(fd->get(), bytes, offset); !r) {
        return fail(r.error());
    }
    if (auto r = posix::sync_data(fd->get()); !r) {
        return fail(r.error());
    }
    if (offset >= kept_in_memory_bytes) {
        posix::forget_cached(fd->get(), offset, bytes.size());
    }
    part_info part{number, bytes.size(), "\"" + random_hex(8) + "\""};
    if (auto r = append_record(directory, part); !r) {
        return fail(r.error());
    }
    return part;
}

result<std::vector<part_info>> multipart_dir::list_parts(const std::string& key,
                                                         const std::string& id) {
    const std::shared_lock guard(lock_of(id));
    auto part_bytes = part_bytes_of(key, id);
    if (!part_bytes) {
        return fail(part_bytes.error());
    }
    auto recorded = read_records(directory_of(id));
    if (!recorded) {
        return fail(recorded.error());
    }
    std::vector<part_info> parts;
    for (auto& [number, part] : *recorded) {
        parts.push_back(std::move(part));
    }
    return parts;
}

result<object_info> multipart_dir::complete(const std::string& key, const std::string& id,
                                            const std::vector<part_info>& parts) {
    const std::unique_lock guard(lock_of(id));
    auto part_bytes = part_bytes_of(key, id);
    if (!part_bytes) {
        return fail(part_bytes.error());
    }
    const auto directory = directory_of(id);
    auto recorded = read_records(directory);
    auto fd = posix::open_file(directory + "/data", O_RDWR);
    if (!recorded || !fd) {
        return fail(recorded ? fd.error() : recorded.error());
    }
    auto s = posix::stat_fd(fd->get());
    auto total = total_of(parts, *recorded, *part_bytes);
    if (!s || !total) {
        return fail(s ? total.error() : s.error());
    }
    struct ::stat taken{};
    const bool exists = ::stat(bucket_.path_of(key).c_str(), &taken) == 0;
    if (exists && (taken.st_ino != s->st_ino || taken.st_dev != s->st_dev)) {
        return fail(errc::already_exists, "object_exists");
    }
    if (!exists) {
        if (::ftruncate(fd->get(), static_cast<off_t>(*total)) != 0 || ::fsync(fd->get()) != 0) {
            return fail(posix::to_write_error(errno, "ftruncate"));
        }
        if (auto r = bucket_.link_to_key(directory + "/data", key); !r) {
            return r;
        }
    }
    // Linked, now or before a crash: what is left of the multipart can go.
    std::error_code ec;
    std::filesystem::remove_all(directory, ec);
    return bucket_.head(key);
}

result<void> multipart_dir::abort(const std::string& key, const std::string& id) {
    const std::unique_lock guard(lock_of(id));
    auto part_bytes = part_bytes_of(key, id);
    if (!part_bytes && part_bytes.error().code == errc::not_found) {
        return {};
    }
    if (!part_bytes && part_bytes.error().code != errc::data_loss) {
        return fail(part_bytes.error());
    }
    std::error_code ec;
    std::filesystem::remove_all(directory_of(id), ec);
    if (ec) {
        return fail(errc::unavailable, "storage_unavailable", "remove_all: " + ec.message());
    }
    return {};
}

}  // namespace vora::blob
