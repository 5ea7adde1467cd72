#pragma once
// Reads an MPEG-TS segment packet by packet, independently of the tool that wrote it: exit code 0
// is not success. Constant memory, any chunk sizes.

#include "libs/base/result.hpp"
#include "services/worker/core/h264_sps.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vora::worker {

// Times are 90 kHz ticks; those of 33 bits as they are in the stream, unwrapped within the segment.
struct segment_facts {
    std::uint64_t size_bytes = 0;
    std::int64_t frames = 0;
    std::int64_t first_pts = 0;  // smallest of the video
    std::int64_t last_pts = 0;   // largest
    std::int64_t first_dts = 0;
    std::int64_t last_dts = 0;
    sps_facts sps;
    std::int64_t audio_frames = 0;
    std::int64_t audio_first_pts = 0;
    bool operator==(const segment_facts&) const = default;
};

class segment_parser {
 public:
    // data_loss with the reason: "ts_..." what is wrong with the bytes.
    result<void> feed(std::string_view bytes);
    // After the last byte: what was there, if it is a segment that can be played by itself (tables
    // first, then a picture that needs no other, decoding times that only grow).
    result<segment_facts> finish();

 private:
    struct pes_times {
        std::int64_t pts = 0;
        std::int64_t dts = 0;
        std::size_t header_bytes = 0;
    };
    result<void> packet(std::string_view p);
    result<void> take_section(int pid, std::string_view payload);
    result<void> take_video(std::string_view payload, bool begins);
    result<void> take_audio(std::string_view payload, bool begins);
    static result<pes_times> parse_pes(std::string_view payload);
    std::int64_t unwrap(std::int64_t time) const;
    result<void> end_first_picture();

    std::string carry_;
    std::uint64_t size_bytes_ = 0;
    int pmt_pid_ = -1;
    int video_pid_ = -1;
    int audio_pid_ = -1;
    bool first_picture_open_ = false;
    std::string first_picture_;  // its beginning: parameter sets and the first slice header
    std::optional<std::int64_t> reference_;
    std::string audio_header_;    // the part of an ADTS header that is here
    std::size_t audio_skip_ = 0;  // rest of the ADTS frame
    bool audio_started_ = false;
    segment_facts facts_;
};

}  // namespace vora::worker
