#include "services/worker/core/sniff.hpp"

#include <gtest/gtest.h>

namespace vora::worker {
namespace {

using namespace std::string_literals;

std::string kind(const std::string& head) {
    auto found = sniff(head);
    return found ? found->demuxer : "none";
}

std::string repeated(const std::string& unit, int times) {
    std::string out;
    for (int n = 0; n < times; ++n) {
        out += unit;
    }
    return out;
}

TEST(sniff, knows_the_containers_of_video) {
    EXPECT_EQ(kind("\0\0\0\x20"
                   "ftypisom\0\0\2\0"s),
              "mov");
    EXPECT_EQ(kind("\0\0\0\x08"
                   "wide\0\0\0\0mdat"s),
              "mov");
    EXPECT_EQ(kind("\x1A\x45\xDF\xA3\x01"s), "matroska");
    EXPECT_EQ(kind("RIFF\1\2\3\4AVI LIST"s), "avi");
    EXPECT_EQ(kind("FLV\1\5\0\0\0\x09"s), "flv");
    EXPECT_EQ(kind("\x30\x26\xB2\x75\x8E\x66\xCF\x11\xA6\xD9\x00\xAA\x00\x62\xCE\x6C"s), "asf");
    EXPECT_EQ(kind("OggS\0\2"s), "ogg");
    EXPECT_EQ(kind("\0\0\1\xBA\x44"s), "mpeg");
    EXPECT_EQ(kind(repeated("\x47" + std::string(187, 'x'), 4)), "mpegts");
    EXPECT_EQ(kind(repeated("abcd\x47" + std::string(187, 'x'), 9)), "mpegts") << "with time codes";
}

TEST(sniff, knows_sound) {
    EXPECT_EQ(kind("fLaC\0"s), "flac");
    EXPECT_EQ(kind("RIFF\1\2\3\4WAVEfmt "s), "wav");
    EXPECT_EQ(kind("ID3\4\0\0"s), "mp3");
    const auto frame =
        "\xFF\xFB\x90\x00"s + std::string(413, 'x');  // 128 kb/s at 44.1 kHz: 417 bytes
    EXPECT_EQ(kind(repeated(frame, 3)), "mp3");
    const auto adts = "\xFF\xF1\x50\x80\x02\x1F\xFC"s + std::string(9, 'x');  // 16 bytes
    EXPECT_EQ(kind(repeated(adts, 3)), "aac");
    EXPECT_FALSE(sniff("ID3\4\0\0"s)->certain);
}

TEST(sniff, refuses_images_texts_archives_playlists) {
    for (const auto& head : {"\xFF\xD8\xFF\xE0\0\x10JFIF"s,
                             "\x89PNG\r\n\x1A\n\0\0\0\rIHDR"s,
                             "GIF89a"s,
                             "BM\1\2\3\4"s,
                             "RIFF\1\2\3\4WEBPVP8 "s,
                             "\0\0\0\x18"
                             "ftypheic\0\0\0\0"s,
                             "\0\0\0\x20"
                             "ftypavif\0\0\0\0"s,
                             "PK\3\4\x14\0"s,
                             "\x1F\x8B\x08"s,
                             "Rar!\x1A\7\0"s,
                             "7z\xBC\xAF\x27\x1C"s,
                             "%PDF-1.7"s,
                             "#EXTM3U\n#EXT-X-VERSION:3\n"s,
                             "ffconcat version 1.0\nfile a\n"s,
                             "<?xml version=\"1.0\"?><MPD/>"s,
                             "<svg xmlns=\"x\"/>"s,
                             "v=0\no=- 0 0 IN IP4\n"s,
                             "[playlist]\nFile1=a\n"s,
                             "RIFF"s,
                             ""s,
                             "\0"s,
                             "G"s,
                             std::string(100'000, '\0')}) {
        EXPECT_EQ(kind(head), "none") << head.substr(0, 12);
    }
}

TEST(sniff, wants_more_than_one_sync_byte) {
    EXPECT_EQ(kind("Good morning, this is a letter."), "none");
    EXPECT_EQ(kind("\x47" + std::string(187, 'x') + "\x47" + std::string(187, 'x')), "none");
    EXPECT_EQ(kind("\xFF\xFB\x90\x00"s + std::string(2000, 'x')), "none") << "one frame is chance";
}

}  // namespace
}  // namespace vora::worker
