#include "services/worker/core/ts_segment.hpp"

#include <algorithm>

namespace vora::worker {

namespace {

constexpr std::size_t packet_bytes = 188;
constexpr std::size_t first_picture_bytes_max = 64 * 1024;
constexpr std::int64_t wrap = std::int64_t{1} << 33;
constexpr int stream_type_h264 = 0x1b;
constexpr int stream_type_aac = 0x0f;
constexpr std::size_t adts_header_bytes = 7;

std::uint32_t byte_at(std::string_view s, std::size_t at) {
    return static_cast<std::uint8_t>(s[at]);
}

std::unexpected<error> bad(const char* reason) {
    return fail(errc::data_loss, reason);
}

std::int64_t time_at(std::string_view s, std::size_t at) {
    return std::int64_t{byte_at(s, at) >> 1 & 7} << 30 | std::int64_t{byte_at(s, at + 1)} << 22 |
           std::int64_t{byte_at(s, at + 2) >> 1} << 15 | std::int64_t{byte_at(s, at + 3)} << 7 |
           byte_at(s, at + 4) >> 1;
}

}  // namespace

result<void> segment_parser::feed(std::string_view bytes) {
    size_bytes_ += bytes.size();
    if (!carry_.empty()) {
        const auto missing = std::min(packet_bytes - carry_.size(), bytes.size());
        carry_.append(bytes.substr(0, missing));
        bytes.remove_prefix(missing);
        if (carry_.size() < packet_bytes) {
            return {};
        }
        auto done = packet(carry_);
        carry_.clear();
        if (!done) {
            return done;
        }
    }
    while (bytes.size() >= packet_bytes) {
        auto done = packet(bytes.substr(0, packet_bytes));
        if (!done) {
            return done;
        }
        bytes.remove_prefix(packet_bytes);
    }
    carry_ = bytes;
    return {};
}

result<void> segment_parser::packet(std::string_view p) {
    if (p[0] != 0x47) {
        return bad("ts_out_of_step");
    }
    const int pid = static_cast<int>((byte_at(p, 1) & 0x1f) << 8 | byte_at(p, 2));
    const bool begins = (byte_at(p, 1) & 0x40) != 0;
    const auto control = byte_at(p, 3) >> 4 & 3;
    if ((byte_at(p, 1) & 0x80) != 0 || (byte_at(p, 3) & 0xc0) != 0) {
        return bad("ts_damaged_packet");
    }
    std::size_t at = 4;
    if ((control & 2) != 0) {
        at += 1 + byte_at(p, 4);
    }
    if ((control & 1) == 0) {
        return {};
    }
    if (at > packet_bytes) {
        return bad("ts_bad_adaptation_field");
    }
    const auto payload = p.substr(at);
    if (pid == 0 || pid == pmt_pid_) {
        return begins ? take_section(pid, payload) : result<void>{};
    }
    if (pid == video_pid_) {
        return take_video(payload, begins);
    }
    if (pid == audio_pid_) {
        return take_audio(payload, begins);
    }
    return {};
}

// Our tables always fit one packet.
result<void> segment_parser::take_section(int pid, std::string_view payload) {
    if (payload.empty() || payload.size() < 1 + byte_at(payload, 0) + 12u) {
        return bad("ts_bad_table");
    }
    auto section = payload.substr(1 + byte_at(payload, 0));
    const std::size_t length = (byte_at(section, 1) & 0x0f) << 8 | byte_at(section, 2);
    if (length < 9 || 3 + length > section.size()) {
        return bad("ts_bad_table");
    }
    section = section.substr(0, 3 + length - 4);  // without the CRC
    if (pid == 0) {
        if (section.size() < 12) {
            return bad("ts_bad_table");
        }
        pmt_pid_ = static_cast<int>((byte_at(section, 10) & 0x1f) << 8 | byte_at(section, 11));
        return {};
    }
    if (section.size() < 12) {
        return bad("ts_bad_table");
    }
    std::size_t at = 12 + ((byte_at(section, 10) & 0x0f) << 8 | byte_at(section, 11));
    while (at + 5 <= section.size()) {
        const auto type = byte_at(section, at);
        const int stream_pid =
            static_cast<int>((byte_at(section, at + 1) & 0x1f) << 8 | byte_at(section, at + 2));
        if (type == stream_type_h264) {
            video_pid_ = stream_pid;
        } else if (type == stream_type_aac) {
            audio_pid_ = stream_pid;
        }
        at += 5 + ((byte_at(section, at + 3) & 0x0f) << 8 | byte_at(section, at + 4));
    }
    return {};
}

result<segment_parser::pes_times> segment_parser::parse_pes(std::string_view payload) {
    if (payload.size() < 14 || payload.substr(0, 3) != std::string_view("\0\0\1", 3)) {
        return bad("ts_bad_pes");
    }
    const auto flags = byte_at(payload, 7) >> 6;
    const std::size_t header = 9 + byte_at(payload, 8);
    if ((flags & 2) == 0 || header > payload.size() || header < (flags == 3 ? 19u : 14u)) {
        return bad("ts_no_timestamp");
    }
    pes_times times;
    times.pts = time_at(payload, 9);
    times.dts = flags == 3 ? time_at(payload, 14) : times.pts;
    times.header_bytes = header;
    return times;
}

std::int64_t segment_parser::unwrap(std::int64_t time) const {
    if (reference_ && time - *reference_ < -wrap / 2) {
        return time + wrap;
    }
    if (reference_ && time - *reference_ > wrap / 2) {
        return time - wrap;
    }
    return time;
}

result<void> segment_parser::take_video(std::string_view payload, bool begins) {
    if (!begins) {
        if (first_picture_open_ && first_picture_.size() < first_picture_bytes_max) {
            first_picture_ += payload;
        }
        return {};
    }
    auto times = parse_pes(payload);
    if (!times) {
        return fail(times.error());
    }
    const auto pts = unwrap(times->pts);
    const auto dts = unwrap(times->dts);
    if (facts_.frames == 0) {
        facts_.first_pts = facts_.last_pts = pts;
        facts_.first_dts = dts;
        first_picture_open_ = true;
        first_picture_ = payload.substr(times->header_bytes);
    } else {
        if (auto ended = end_first_picture(); !ended) {
            return ended;
        }
        if (dts <= facts_.last_dts) {
            return bad("ts_time_goes_back");
        }
        if (pts < facts_.first_pts) {
            return bad("ts_picture_before_keyframe");
        }
    }
    if (pts < dts) {
        return bad("ts_shown_before_decoded");
    }
    facts_.last_dts = dts;
    facts_.last_pts = std::max(facts_.last_pts, pts);
    reference_ = pts;
    ++facts_.frames;
    return {};
}

// The segment can be entered here: parameter sets, then an IDR slice.
result<void> segment_parser::end_first_picture() {
    if (!first_picture_open_) {
        return {};
    }
    first_picture_open_ = false;
    const std::string_view picture(first_picture_);
    bool has_sps = false;
    bool has_pps = false;
    std::size_t at = picture.find(std::string_view("\0\0\1", 3));
    while (at != picture.npos && at + 3 < picture.size()) {
        const auto next = picture.find(std::string_view("\0\0\1", 3), at + 3);
        auto nal = picture.substr(at + 3, next == picture.npos ? next : next - at - 3);
        const auto type = nal.empty() ? 0 : byte_at(nal, 0) & 0x1f;
        if (type == 7) {
            auto sps = parse_sps(nal);
            if (!sps) {
                return fail(errc::data_loss, "ts_bad_sps");
            }
            facts_.sps = *sps;
            has_sps = true;
        } else if (type == 8) {
            has_pps = true;
        } else if (type >= 1 && type <= 5) {
            first_picture_.clear();
            return type == 5 && has_sps && has_pps ? result<void>{} : bad("ts_no_idr_first");
        }
        at = next;
    }
    return bad("ts_no_idr_first");
}

result<void> segment_parser::take_audio(std::string_view payload, bool begins) {
    if (begins) {
        auto times = parse_pes(payload);
        if (!times) {
            return fail(times.error());
        }
        if (!audio_started_) {
            facts_.audio_first_pts = unwrap(times->pts);
            audio_started_ = true;
        }
        payload.remove_prefix(times->header_bytes);
    } else if (!audio_started_) {
        return bad("ts_sound_without_beginning");
    }
    while (!payload.empty()) {
        const auto skipped = std::min(audio_skip_, payload.size());
        audio_skip_ -= skipped;
        payload.remove_prefix(skipped);
        if (payload.empty()) {
            break;
        }
        const auto taken = std::min(adts_header_bytes - audio_header_.size(), payload.size());
        audio_header_ += payload.substr(0, taken);
        payload.remove_prefix(taken);
        if (audio_header_.size() < adts_header_bytes) {
            break;
        }
        const std::size_t length = (byte_at(audio_header_, 3) & 3) << 11 |
                                   byte_at(audio_header_, 4) << 3 | byte_at(audio_header_, 5) >> 5;
        if (byte_at(audio_header_, 0) != 0xff || (byte_at(audio_header_, 1) & 0xf6) != 0xf0 ||
            length < adts_header_bytes) {
            return bad("ts_bad_sound_frame");
        }
        audio_skip_ = length - adts_header_bytes;
        audio_header_.clear();
        ++facts_.audio_frames;
    }
    return {};
}

result<segment_facts> segment_parser::finish() {
    if (size_bytes_ == 0) {
        return bad("ts_empty");
    }
    if (!carry_.empty()) {
        return bad("ts_cut_packet");
    }
    if (facts_.frames == 0) {
        return bad("ts_no_picture");
    }
    if (auto ended = end_first_picture(); !ended) {
        return fail(ended.error());
    }
    facts_.size_bytes = size_bytes_;
    return facts_;
}

}  // namespace vora::worker
