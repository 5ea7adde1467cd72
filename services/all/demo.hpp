#pragma once
// `vora up --demo`: one sample video per data directory, made here with ffmpeg (no network).
//
// A child process of the server does it (the hidden verb `demo`), by the same public way as
// anybody: the server's loop is not held up, and the child dies with it.

#include <sys/types.h>

#include <string>

namespace vora::all {

struct demo_options {
    std::string data_dir;
    std::string ffmpeg = "ffmpeg";
};

// Starts the child; 0 when the sample is there already or no child could be started.
pid_t start_demo(const demo_options& options);
// Ends it if it still runs.
void end_demo(pid_t child);

// The child: makes the sample, uploads it, prints its watch URL. Does nothing the second time.
int run_demo(const demo_options& options);

}  // namespace vora::all
