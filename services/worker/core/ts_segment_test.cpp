#include "services/worker/core/ts_segment.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace vora::worker {
namespace {

using namespace std::string_literals;

// A writer of just enough MPEG-TS to be wrong in one thing at a time.
std::string packet(int pid, bool begins, std::string payload) {
    std::string p =
        "\x47"s + static_cast<char>((begins ? 0x40 : 0) | pid >> 8) + static_cast<char>(pid);
    const auto room = std::size_t{184};
    payload.resize(std::min(payload.size(), room));
    if (payload.size() == room) {
        return p + '\x10' + payload;
    }
    const auto stuffing = room - payload.size();  // adaptation field with its length byte
    p += '\x30';
    p += static_cast<char>(stuffing - 1);
    if (stuffing > 1) {
        p += '\0' + std::string(stuffing - 2, '\xFF');
    }
    return p + payload;
}

std::string section(std::string body) {
    const auto length = body.size() - 3 + 4;
    body[1] = static_cast<char>(0xB0 | length >> 8);
    body[2] = static_cast<char>(length);
    return "\0"s + body + "CRC!";
}

std::string tables(bool sound) {
    std::string pmt = "\x02\0\0\0\1\xC1\0\0\xE1\0\xF0\0"s + "\x1B\xE1\x00\xF0\0"s;
    if (sound) {
        pmt += "\x0F\xE1\x01\xF0\0"s;
    }
    return packet(0, true, section("\0\0\0\0\1\xC1\0\0\0\1\xF0\x00"s)) +
           packet(0x1000, true, section(pmt));
}

std::string stamp(int prefix, std::int64_t t) {
    std::string s;
    s += static_cast<char>(prefix << 4 | (t >> 30 & 7) << 1 | 1);
    s += static_cast<char>(t >> 22);
    s += static_cast<char>((t >> 15 & 0x7f) << 1 | 1);
    s += static_cast<char>(t >> 7);
    s += static_cast<char>((t & 0x7f) << 1 | 1);
    return s;
}

std::string pes(char id, std::int64_t pts, std::int64_t dts, const std::string& data) {
    return "\0\0\1"s + id + "\0\0\x80\xC0\x0A"s + stamp(3, pts) + stamp(1, dts) + data;
}

// 64x64, High, level 3.0, as x264 writes it.
const std::string sps_64 =
    "\x67\x64\x00\x1e\xac\xd9\x44\x26\x84\x00\x00\x03\x00\x04\x00\x00\x03\x00\xca\x3c\x58\xb6\x58"s;
const std::string start = "\0\0\0\1"s;
const std::string keyframe =
    start + "\x09\xF0" + start + sps_64 + start + "\x68\xEE" + start + "\x65picture"s;
const std::string other_frame = start + "\x09\xF0" + start + "\x41picture"s;

std::string video(std::int64_t pts, std::int64_t dts, const std::string& data) {
    return packet(0x100, true, pes('\xE0', pts, dts, data));
}

std::string good_segment() {
    return tables(false) + video(900'000, 892'800, keyframe) +
           video(907'200, 896'400, other_frame) + video(903'600, 900'000, other_frame);
}

result<segment_facts> examine(const std::string& bytes, std::size_t step = 1'000'000) {
    segment_parser parser;
    for (std::size_t at = 0; at < bytes.size(); at += step) {
        auto fed = parser.feed(std::string_view(bytes).substr(at, step));
        if (!fed) {
            return fail(fed.error());
        }
    }
    return parser.finish();
}

std::string reason(const std::string& bytes) {
    auto r = examine(bytes);
    return r ? "" : r.error().reason;
}

TEST(segment_parser, measures_pictures_and_times) {
    auto facts = examine(good_segment());
    ASSERT_TRUE(facts) << facts.error().reason;
    EXPECT_EQ(facts->frames, 3);
    EXPECT_EQ(facts->first_pts, 900'000);
    EXPECT_EQ(facts->last_pts, 907'200);
    EXPECT_EQ(facts->first_dts, 892'800);
    EXPECT_EQ(facts->last_dts, 900'000);
    EXPECT_EQ(facts->sps.codec_text(), "avc1.64001e");
    EXPECT_EQ(facts->size_bytes, 5u * 188);
}

TEST(segment_parser, takes_bytes_in_pieces_of_any_size) {
    const auto whole = examine(good_segment());
    ASSERT_TRUE(whole);
    for (std::size_t step : {1u, 7u, 187u, 188u, 189u, 500u}) {
        auto facts = examine(good_segment(), step);
        ASSERT_TRUE(facts) << step;
        EXPECT_EQ(*facts, *whole) << step;
    }
}

TEST(segment_parser, counts_sound_frames_over_packet_borders) {
    std::string adts;
    for (int n = 0; n < 4; ++n) {
        adts += "\xFF\xF1\x4C\x80\x0C\x9F\xFC"s + std::string(93, 'x');  // 100 bytes
    }
    const auto first = pes('\xC0', 898'080, 898'080, adts);
    const auto sound = packet(0x101, true, first) + packet(0x101, false, first.substr(184)) +
                       packet(0x101, false, first.substr(368));
    auto facts = examine(tables(true) + video(900'000, 892'800, keyframe) + sound);
    ASSERT_TRUE(facts) << facts.error().reason;
    EXPECT_EQ(facts->audio_frames, 4);
    EXPECT_EQ(facts->audio_first_pts, 898'080);
}

TEST(segment_parser, refuses_what_cannot_be_entered_or_goes_back) {
    EXPECT_EQ(reason(""), "ts_empty");
    EXPECT_EQ(reason("text"), "ts_cut_packet");
    EXPECT_EQ(reason(std::string(188, 'x')), "ts_out_of_step");
    EXPECT_EQ(reason(good_segment() + "\x47"), "ts_cut_packet");
    EXPECT_EQ(reason(tables(false)), "ts_no_picture");
    EXPECT_EQ(reason(video(900'000, 892'800, keyframe)), "ts_no_picture") << "no tables before it";
    EXPECT_EQ(reason(tables(false) + video(900'000, 892'800, other_frame)), "ts_no_idr_first");
    EXPECT_EQ(reason(good_segment() + video(1'000'000, 900'000, other_frame)), "ts_time_goes_back");
    EXPECT_EQ(reason(good_segment() + video(800'000, 903'600, other_frame)),
              "ts_picture_before_keyframe");
    EXPECT_EQ(reason(good_segment() + video(903'599, 903'600, other_frame)),
              "ts_shown_before_decoded");
    EXPECT_EQ(reason(tables(false) + packet(0x100, true, "no pes header at all")), "ts_bad_pes");
    const auto no_sps = start + "\x68\xEE" + start + "\x65picture"s;
    EXPECT_EQ(reason(tables(false) + video(900'000, 892'800, no_sps)), "ts_no_idr_first");
}

TEST(segment_parser, unwraps_the_clock) {
    const std::int64_t end = (std::int64_t{1} << 33) - 3600;
    auto facts = examine(tables(false) + video(end, end - 7200, keyframe) +
                         video(0, end - 3600, other_frame) + video(3600, 0, other_frame));
    ASSERT_TRUE(facts) << facts.error().reason;
    EXPECT_EQ(facts->last_pts - facts->first_pts, 7200);
}

TEST(parse_sps, refuses_cut_and_foreign_units) {
    EXPECT_TRUE(parse_sps(sps_64));
    for (std::size_t size = 0; size < 8; ++size) {
        EXPECT_FALSE(parse_sps(std::string_view(sps_64).substr(0, size))) << size;
    }
    EXPECT_FALSE(
        parse_sps("\x68"
                  "abcdefgh"));
}

}  // namespace
}  // namespace vora::worker
