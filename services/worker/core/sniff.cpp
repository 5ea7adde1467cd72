#include "services/worker/core/sniff.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace vora::worker {

namespace {

using namespace std::string_view_literals;

bool has_at(std::string_view head, std::size_t offset, std::string_view magic) {
    return head.size() >= offset + magic.size() && head.substr(offset, magic.size()) == magic;
}

std::uint8_t byte_at(std::string_view head, std::size_t offset) {
    return static_cast<std::uint8_t>(head[offset]);
}

// ISO base media (MP4, MOV, 3GP) and the older QuickTime without ftyp. Still images use the same
// boxes.
bool is_iso_media(std::string_view head) {
    static constexpr std::array boxes{"ftyp"sv, "moov"sv, "mdat"sv, "free"sv, "skip"sv,
                                      "wide"sv, "pnot"sv, "moof"sv, "styp"sv, "uuid"sv};
    static constexpr std::array image_brands{"heic"sv, "heix"sv, "heim"sv, "heis"sv, "mif1"sv,
                                             "mif2"sv, "avif"sv, "avis"sv, "crx "sv, "jpeg"sv};
    if (head.size() < 12) {
        return false;
    }
    const auto type = head.substr(4, 4);
    if (std::find(boxes.begin(), boxes.end(), type) == boxes.end()) {
        return false;
    }
    const std::uint32_t size = std::uint32_t{byte_at(head, 0)} << 24 | byte_at(head, 1) << 16 |
                               byte_at(head, 2) << 8 | byte_at(head, 3);
    if (size > 1 && size < 8) {
        return false;
    }
    const bool image = type == "ftyp" && std::find(image_brands.begin(), image_brands.end(),
                                                   head.substr(8, 4)) != image_brands.end();
    return !image;
}

// Sync bytes in step: three packets or more, up to eight.
bool is_transport_stream(std::string_view head) {
    struct layout {
        std::size_t first, step;
    };
    for (const auto& [first, step] : {layout{0, 188}, layout{4, 192}, layout{0, 204}}) {
        std::size_t found = 0;
        std::size_t at = first;
        while (found < 8 && at < head.size() && head[at] == 0x47) {
            ++found;
            at += step;
        }
        if (found >= 3 && (found == 8 || at >= head.size())) {
            return true;
        }
    }
    return false;
}

// Length of the MPEG audio frame (layer 1 to 3) that begins here, 0 if none does.
std::size_t mpeg_audio_frame(std::string_view at) {
    static constexpr int rates[2][3][15] = {
        {{0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448},
         {0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384},
         {0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320}},
        {{0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256},
         {0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160},
         {0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160}}};
    static constexpr int samples_per_s[3] = {44100, 48000, 32000};
    if (at.size() < 4 || byte_at(at, 0) != 0xFF || (byte_at(at, 1) & 0xE0) != 0xE0) {
        return 0;
    }
    const int version = byte_at(at, 1) >> 3 & 3;  // 3 = MPEG-1, 2 = MPEG-2, 0 = MPEG-2.5
    const int layer = 4 - (byte_at(at, 1) >> 1 & 3);
    const int rate_index = byte_at(at, 2) >> 4;
    const int sampling_index = byte_at(at, 2) >> 2 & 3;
    if (version == 1 || layer == 4 || rate_index == 0 || rate_index == 15 || sampling_index == 3) {
        return 0;
    }
    const int rate = rates[version != 3][layer - 1][rate_index] * 1000;
    const int sampling = samples_per_s[sampling_index] >> (version == 3 ? 0 : version == 2 ? 1 : 2);
    const int padding = byte_at(at, 2) >> 1 & 1;
    if (layer == 1) {
        return static_cast<std::size_t>((12 * rate / sampling + padding) * 4);
    }
    const int factor = layer == 3 && version != 3 ? 72 : 144;
    return static_cast<std::size_t>(factor * rate / sampling + padding);
}

std::size_t adts_frame(std::string_view at) {
    if (at.size() < 7 || byte_at(at, 0) != 0xFF || (byte_at(at, 1) & 0xF6) != 0xF0) {
        return 0;
    }
    const std::size_t length =
        (byte_at(at, 3) & 3u) << 11 | byte_at(at, 4) << 3 | byte_at(at, 5) >> 5;
    return length >= 7 ? length : 0;
}

// Three frames in a row, each where the one before says.
template <class FrameLength>
bool has_frames(std::string_view head, FrameLength frame_length) {
    std::size_t at = 0;
    for (int n = 0; n < 3; ++n) {
        const std::size_t length = at < head.size() ? frame_length(head.substr(at)) : 0;
        if (length == 0) {
            return false;
        }
        at += length;
    }
    return true;
}

std::optional<sniffed_format> sniff_sound(std::string_view head) {
    const auto sound = [](const char* demuxer) { return sniffed_format{demuxer, false, false}; };
    if (has_at(head, 0, "fLaC"sv)) {
        return sound("flac");
    }
    if ((has_at(head, 0, "RIFF"sv) || has_at(head, 0, "RF64"sv)) && has_at(head, 8, "WAVE"sv)) {
        return sound("wav");
    }
    if (has_at(head, 0, "FORM"sv) && (has_at(head, 8, "AIFF"sv) || has_at(head, 8, "AIFC"sv))) {
        return sound("aiff");
    }
    if (has_at(head, 0, "#!AMR"sv)) {
        return sound("amr");
    }
    if (has_at(head, 0, "ID3"sv) || has_frames(head, mpeg_audio_frame)) {
        return sound("mp3");
    }
    if (has_frames(head, adts_frame)) {
        return sound("aac");
    }
    return std::nullopt;
}

}  // namespace

std::optional<sniffed_format> sniff(std::string_view head) {
    if (is_iso_media(head)) {
        return sniffed_format{"mov", true, false};
    }
    if (has_at(head, 0, "\x1A\x45\xDF\xA3"sv)) {
        return sniffed_format{"matroska", true, false};
    }
    if (has_at(head, 0, "RIFF"sv) && (has_at(head, 8, "AVI "sv) || has_at(head, 8, "AVIX"sv))) {
        return sniffed_format{"avi", true, false};
    }
    if (has_at(head, 0, "FLV\x01"sv)) {
        return sniffed_format{"flv", true, false};
    }
    if (has_at(head, 0, "\x30\x26\xB2\x75\x8E\x66\xCF\x11\xA6\xD9\x00\xAA\x00\x62\xCE\x6C"sv)) {
        return sniffed_format{"asf", true, false};
    }
    if (has_at(head, 0, "OggS\0"sv)) {
        return sniffed_format{"ogg", true, false};
    }
    if (has_at(head, 0, "\x06\x0E\x2B\x34\x02\x05\x01\x01\x0D\x01\x02"sv)) {
        return sniffed_format{"mxf", true, false};
    }
    if (has_at(head, 0, "\0\0\x01\xBA"sv)) {
        return sniffed_format{"mpeg", true, true};
    }
    if (is_transport_stream(head)) {
        return sniffed_format{"mpegts", true, true};
    }
    return sniff_sound(head);
}

}  // namespace vora::worker
