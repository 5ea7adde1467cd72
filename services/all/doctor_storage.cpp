// What of `vora doctor` concerns DIR: who holds it, who may read it, whether it can be written to.

#include "libs/auth/jwt.hpp"
#include "libs/durable/engine_embedded/inspection.hpp"
#include "libs/service/stores/disk_watch.hpp"
#include "services/all/doctor_checks.hpp"
#include "services/metadata/inventory.hpp"

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace vora::all {

using service::bytes_in_words;
using service::look_at_disk;

namespace {

namespace fs = std::filesystem;

std::string read_text(const std::string& path) {
    std::ifstream in(path);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

std::string user_name(uid_t uid) {
    const auto* entry = ::getpwuid(uid);
    return entry == nullptr ? std::to_string(uid) : entry->pw_name;
}

// Writes and syncs a block that has no name, so that nothing is left; 0 or the errno.
int try_to_write(const std::string& directory) {
    int fd = ::open(directory.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
        auto path = directory + "/.doctor-XXXXXX";
        fd = ::mkostemp(path.data(), O_CLOEXEC);
        if (fd >= 0) {
            ::unlink(path.c_str());
        }
    }
    if (fd < 0) {
        return errno;
    }
    const std::array<char, 4096> block{};
    const auto written = ::write(fd, block.data(), block.size());
    const int wrong = written != static_cast<ssize_t>(block.size()) ? (written < 0 ? errno : ENOSPC)
                      : ::fsync(fd) != 0                            ? errno
                                                                    : 0;
    ::close(fd);
    return wrong;
}

diagnosis unwritable(const std::string& directory, int error_number) {
    diagnosis d{"store",
                "not_writable",
                directory + " cannot be written to",
                std::strerror(error_number),
                {}};
    if (error_number == EROFS) {
        d.code = "read_only";
        d.why = "its file system is mounted read-only";
        d.remedy =
            "mount it read-write (a disk that fails is often remounted read-only: see "
            "dmesg), or choose another --data";
    } else if (error_number == ENOSPC || error_number == EDQUOT) {
        d.code = "disk_full";
        d.remedy = "free space there; `vora fsck` lists what nobody needs any more";
    } else if (error_number == EACCES || error_number == EPERM) {
        d.remedy = "run Vora as the owner of the directory, or `chown -R` it";
    } else {
        d.remedy = "look at the disk (dmesg), or choose another --data";
    }
    return d;
}

std::string holders_in_words(const std::string& path, pid_t server) {
    std::string text;
    for (const auto& file : {path, path + "-shm", path + "-wal"}) {
        for (const auto pid : lock_holders(file)) {
            const auto words = process_in_words(pid);
            if (pid != ::getpid() && pid != server && text.find(words) == std::string::npos) {
                text += (text.empty() ? "" : ", ") + words;
            }
        }
    }
    return text;
}

std::optional<diagnosis> judged(const std::string& check, const std::string& path,
                                const result<void>& r, pid_t server) {
    if (r || r.error().reason == "database_missing") {
        return std::nullopt;  // missing: made at the first start
    }
    diagnosis d{check, r.error().reason, path + ": " + r.error().reason, r.error().detail, {}};
    if (d.code == "database_locked") {
        const auto holders = holders_in_words(path, server);
        if (server != 0 && holders.empty()) {
            return std::nullopt;  // the server itself, in the middle of a long write
        }
        d.what = path + " is locked";
        d.why = holders.empty() ? "another program keeps a transaction open"
                                : "process " + holders + " keeps a transaction open";
        d.remedy = "end that program, or let it commit; nothing but Vora should write there";
    } else if (d.code == "database_too_new") {
        d.what = path + " is newer than this program";
        d.remedy = "run the version of Vora that wrote it, or restore the backup made before it";
    } else if (d.code == "database_damaged") {
        d.what = path + " is damaged";
        d.remedy =
            "stop Vora, keep a copy, restore a backup (or try `sqlite3 FILE .recover`), "
            "then run `vora fsck`";
    } else {
        d.what = path + " cannot be used";
        d.remedy = "look at the disk, and at who owns the file";
    }
    return d;
}

}  // namespace

diagnoses check_holder(doctor_facts& facts) {
    const auto run = nlohmann::json::parse(read_text(facts.dir + "/run.json"), nullptr, false);
    const auto told = run.is_object() ? run.value("pid", 0) : 0;
    const auto holders = lock_holders(facts.dir + "/lock");
    if (!holders.empty()) {
        const auto writer = std::atoi(read_text(facts.dir + "/lock").c_str());
        if (std::ranges::find(holders, writer) != holders.end()) {
            facts.server = writer;
            facts.http = run.is_object() ? run.value("http", "") : "";
            return {};
        }
        return {{"server", "lock_left_behind",
                 facts.dir + " is locked by process " + process_in_words(holders.front()),
                 "the Vora that took the lock (pid " + std::to_string(writer) +
                     ") is gone, and a process it started lives on",
                 "end that process: kill " + std::to_string(holders.front())}};
    }
    if (told != 0 && !is_alive(told)) {
        return {{"server", "server_died", "Vora is not running here, and did not stop by itself",
                 "run.json names pid " + std::to_string(told) + ", which is dead",
                 "start it again (`vora up`): nothing acknowledged is lost; see "
                 "DIR/log/vora.jsonl for its last lines"}};
    }
    return {};
}

diagnoses check_data_dir(const doctor_facts& facts) {
    diagnoses all;
    struct stat s{};
    if (::stat(facts.dir.c_str(), &s) == 0 && s.st_uid != ::geteuid()) {
        all.push_back({"data_dir", "wrong_owner", facts.dir + " belongs to " + user_name(s.st_uid),
                       "this is run as " + user_name(::geteuid()),
                       "run Vora as " + user_name(s.st_uid) + ", or `chown -R` the directory"});
    }
    std::vector<std::string> secrets{facts.dir + "/api.token"};
    std::error_code failed;
    for (fs::directory_iterator at(facts.dir + "/keys", failed), end; !failed && at != end;
         at.increment(failed)) {
        secrets.push_back(at->path().string());
    }
    std::ranges::sort(secrets);
    for (const auto& path : secrets) {
        if (::stat(path.c_str(), &s) == 0 && (s.st_mode & 077) != 0) {
            all.push_back(
                {"data_dir", "key_readable_by_others", path + " can be read by other users",
                 "whoever reads it can act as Vora's administrator", "chmod 600 " + path});
        }
        if (::access(path.c_str(), F_OK) == 0 && ::access(path.c_str(), R_OK) != 0) {
            all.push_back({"data_dir", "key_unreadable", path + " cannot be read",
                           std::strerror(errno), "run Vora as the owner of the file"});
        }
    }
    const auto issuer = facts.dir + "/keys/issuer.pem";
    if (::access(issuer.c_str(), R_OK) == 0) {
        if (auto key = auth::token_issuer::load_or_create(issuer); !key) {
            all.push_back({"data_dir", "key_damaged", issuer + " is no usable key",
                           key.error().reason,
                           "restore it from a backup; without one, move it away: a new key is made "
                           "and all tokens must be minted again"});
        }
    }
    return all;
}

diagnoses check_disk(const doctor_facts& facts) {
    diagnoses all;
    std::vector<std::uint64_t> seen;
    for (const auto& path : {facts.dir, facts.dir + "/store", facts.scratch_dir}) {
        const auto d = look_at_disk(path, facts.disk_free_min_bytes);
        if (!d || d->room() == blob::room::ample ||
            std::ranges::find(seen, d->total_bytes) != seen.end()) {
            continue;
        }
        seen.push_back(d->total_bytes);  // one disk is named once
        const bool low = d->room() == blob::room::low;
        all.push_back({"disk", low ? "disk_low" : "disk_full",
                       "the disk of " + path + (low ? " is nearly full" : " is full"),
                       bytes_in_words(d->free_bytes) + " of " + bytes_in_words(d->total_bytes) +
                           " are free, the mark (limits.disk_free_min_bytes) is " +
                           bytes_in_words(d->mark_bytes) + ": no upload and no encode begins" +
                           (low ? "" : ", appends stop"),
                       "free space (delete videos, `vora fsck --repair`, shorter raw.retention_s), "
                       "or put DIR on a larger disk"});
    }
    return all;
}

diagnoses check_writable(const doctor_facts& facts) {
    diagnoses all;
    for (const auto& directory :
         {facts.dir, facts.dir + "/db", facts.dir + "/store/bucket-raw",
          facts.dir + "/store/bucket-processed", facts.scratch_dir, facts.dir + "/log"}) {
        std::error_code none;
        if (!fs::is_directory(directory, none)) {
            continue;  // made at the first start
        }
        if (const int wrong = try_to_write(directory); wrong != 0) {
            all.push_back(unwritable(directory, wrong));
        }
    }
    return all;
}

diagnoses check_databases(const doctor_facts& facts) {
    diagnoses all;
    if (auto d = judged("database", facts.database,
                        metadata::check_database("sqlite:" + facts.database), facts.server)) {
        all.push_back(std::move(*d));
    }
    const auto engine = facts.dir + "/db/workflow.sqlite";
    if (auto d =
            judged("workflow_database", engine, durable::check_engine_file(engine), facts.server)) {
        all.push_back(std::move(*d));
    }
    return all;
}

}  // namespace vora::all
