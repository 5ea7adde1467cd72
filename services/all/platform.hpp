#pragma once
// All services in one process, on embedded adapters. The only place where services meet.

#include "libs/base/result.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

namespace vora::config {
class schema;
}

namespace vora::all {

class data_dir;

// The configuration of every service; defaults are the embedded mode under one data directory.
struct platform_config {
    platform_config();
    ~platform_config();
    platform_config(platform_config&&) noexcept;

    static platform_config for_data_dir(const data_dir& dir);
    // The same where no directory may be made or locked. Absolute.
    static platform_config for_path(const std::string& dir);
    void bind(config::schema& s);

    // For tools that look at what the services left.
    struct tool_facts {
        std::string database;  // URL
        std::string scratch_dir;
        std::string ffmpeg;
        std::chrono::seconds longest_work;  // an upload or its processing may need a thing so long
    };
    tool_facts facts() const;

    std::string listen;
    std::int64_t disk_free_min_bytes = -1;  // disk_watch.hpp
    struct services;
    std::unique_ptr<services> parts;
};

class platform {
 public:
    // Opens keys, stores and databases, and wires the services. Throws on what cannot be opened.
    platform(data_dir& dir, platform_config config);
    ~platform();

    // Listens and recovers what an earlier run left. already_exists ("port_in_use"), ...
    result<void> start();
    // With a fresh one-time token.
    std::string studio_url() const;
    // Runs the loop. SIGINT or SIGTERM stops accepting, lets running requests end, stops the
    // services in order and returns; a second signal ends the process at once.
    void run_until_signal();

 private:
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace vora::all
