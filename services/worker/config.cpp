#include "services/worker/config.hpp"

#include "libs/config/config.hpp"

namespace vora::worker {

void config::bind(vora::config::schema& s) {
    s.add("media.ffmpeg", &ffmpeg, "ffmpeg's name or path; ffprobe is looked for beside it");
    s.add("media.preset", &preset, "x264 preset instead of the plan's");
    s.add("media.encoder_threads", &encoder_threads,
          "threads of each encoder; 0 = by the machine, 1 = the same bytes every time");
    s.add("media.memory_max_bytes", &memory_max_bytes, "address space of a tool", 256 << 20);
    s.add("media.file_max_bytes", &file_max_bytes, "largest file a tool may write", 1 << 20);
    s.add("media.priority", &priority, "niceness added to the tools");
    s.add("worker.scratch_dir", &scratch_dir, "job directories; this worker's alone");
    s.add("worker.concurrency", &concurrency, "encodes at once", 1);
    s.add("worker.light_concurrency", &light_concurrency, "probes, publications, cleanups at once",
          1);
}

}  // namespace vora::worker
