#pragma once
// What `vora doctor` looks at. Every check blocks and returns what it found wrong; nothing else is
// shared between them than the facts below.

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace vora::all {

struct diagnosis {
    std::string check;  // "ffmpeg"
    std::string code;   // "ffmpeg_missing": stable
    std::string what;   // one line each
    std::string why;
    std::string remedy;
};
using diagnoses = std::vector<diagnosis>;

struct doctor_facts {
    std::string dir;  // absolute
    bool dir_exists = false;
    std::string listen;
    std::string database;  // path of metadata's
    std::string scratch_dir;
    std::string ffmpeg;
    std::int64_t disk_free_min_bytes = -1;
    // Of the server that holds DIR, if one does.
    pid_t server = 0;
    std::string http;
};

// Who runs there, from DIR/lock and run.json.
diagnoses check_holder(doctor_facts& facts);
diagnoses check_data_dir(const doctor_facts& facts);
diagnoses check_disk(const doctor_facts& facts);
diagnoses check_writable(const doctor_facts& facts);
diagnoses check_databases(const doctor_facts& facts);
diagnoses check_port(const doctor_facts& facts);
diagnoses check_ffmpeg(const doctor_facts& facts);
diagnoses check_clock(const doctor_facts& facts);
// The running server's own view.
diagnoses check_server(const doctor_facts& facts);

// "1234 (python3)", or "1234" for one that may not be looked at.
std::string process_in_words(pid_t pid);
bool is_alive(pid_t pid);
// Processes that hold a lock of any kind on the file. Only those this user may see.
std::vector<pid_t> lock_holders(const std::string& path);
// Who listens on a TCP port; 0: cannot be seen.
pid_t listener_of(std::uint16_t port);

}  // namespace vora::all
