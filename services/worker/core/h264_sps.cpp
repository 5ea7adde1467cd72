#include "services/worker/core/h264_sps.hpp"

#include <cstdint>
#include <cstdio>

namespace vora::worker {

namespace {

// Reads bits; beyond the end it reads zeros and remembers that.
class bit_reader {
 public:
    explicit bit_reader(std::string bytes) : bytes_(std::move(bytes)) {}

    std::uint32_t bits(int count) {
        std::uint32_t value = 0;
        for (int n = 0; n < count; ++n) {
            value = value << 1 | bit();
        }
        return value;
    }
    std::uint32_t exp_golomb() {
        int zeros = 0;
        while (bit() == 0) {
            if (++zeros > 31 || exhausted_) {
                exhausted_ = true;
                return 0;
            }
        }
        return zeros == 0 ? 0 : (1u << zeros) - 1 + bits(zeros);
    }
    bool exhausted() const { return exhausted_; }

 private:
    std::uint32_t bit() {
        if (at_ / 8 >= bytes_.size()) {
            exhausted_ = true;
            return 0;
        }
        const auto byte = static_cast<std::uint8_t>(bytes_[at_ / 8]);
        const auto value = byte >> (7 - at_ % 8) & 1u;
        ++at_;
        return value;
    }

    std::string bytes_;
    std::size_t at_ = 0;
    bool exhausted_ = false;
};

std::string without_emulation_prevention(std::string_view nal) {
    std::string out;
    int zeros = 0;
    for (const char c : nal) {
        if (zeros >= 2 && c == 3) {
            zeros = 0;
            continue;
        }
        zeros = c == 0 ? zeros + 1 : 0;
        out.push_back(c);
    }
    return out;
}

void skip_scaling_lists(bit_reader& in, int count) {
    for (int n = 0; n < count; ++n) {
        if (in.bits(1) == 0) {
            continue;
        }
        std::int64_t last = 8;
        std::int64_t next = 8;
        for (int k = 0; k < (n < 6 ? 16 : 64) && !in.exhausted(); ++k) {
            if (next != 0) {
                const std::int64_t code = in.exp_golomb();
                const std::int64_t delta = code % 2 == 0 ? -(code / 2) : (code + 1) / 2;
                next = ((last + delta) % 256 + 256) % 256;
            }
            last = next == 0 ? last : next;
        }
    }
}

bool has_chroma_fields(int profile) {
    switch (profile) {
        case 44:
        case 83:
        case 86:
        case 100:
        case 110:
        case 118:
        case 122:
        case 128:
        case 134:
        case 135:
        case 138:
        case 139:
        case 244:
            return true;
        default:
            return false;
    }
}

}  // namespace

std::string sps_facts::codec_text() const {
    char text[16];
    std::snprintf(text, sizeof text, "avc1.%02x%02x%02x", profile & 0xff, constraints & 0xff,
                  level & 0xff);
    return text;
}

result<sps_facts> parse_sps(std::string_view nal) {
    if (nal.size() < 5 || (nal[0] & 0x1f) != 7) {
        return fail(errc::invalid_argument, "bad_sps");
    }
    bit_reader in(without_emulation_prevention(nal.substr(1, 1024)));
    sps_facts facts;
    facts.profile = static_cast<int>(in.bits(8));
    facts.constraints = static_cast<int>(in.bits(8));
    facts.level = static_cast<int>(in.bits(8));
    in.exp_golomb();  // its id
    std::uint32_t chroma_format = 1;
    if (has_chroma_fields(facts.profile)) {
        chroma_format = in.exp_golomb();
        if (chroma_format == 3) {
            in.bits(1);
        }
        in.exp_golomb();  // bit depths
        in.exp_golomb();
        in.bits(1);
        if (in.bits(1) == 1) {
            skip_scaling_lists(in, chroma_format == 3 ? 12 : 8);
        }
    }
    in.exp_golomb();  // log2_max_frame_num
    const auto order_type = in.exp_golomb();
    if (order_type == 0) {
        in.exp_golomb();
    } else if (order_type == 1) {
        in.bits(1);
        in.exp_golomb();
        in.exp_golomb();
        const auto cycle = in.exp_golomb();
        for (std::uint32_t n = 0; n < cycle && n < 256 && !in.exhausted(); ++n) {
            in.exp_golomb();
        }
    }
    in.exp_golomb();  // reference frames
    in.bits(1);
    const std::uint64_t width_mbs = std::uint64_t{in.exp_golomb()} + 1;
    const std::uint64_t height_units = std::uint64_t{in.exp_golomb()} + 1;
    const std::uint64_t frame_only = in.bits(1);
    if (frame_only == 0) {
        in.bits(1);
    }
    in.bits(1);
    std::uint64_t crop_x = 0;
    std::uint64_t crop_y = 0;
    if (in.bits(1) == 1) {
        const std::uint64_t unit_x = chroma_format == 1 || chroma_format == 2 ? 2 : 1;
        const std::uint64_t unit_y = (chroma_format == 1 ? 2 : 1) * (2 - frame_only);
        crop_x = std::uint64_t{in.exp_golomb()} * unit_x;
        crop_x += std::uint64_t{in.exp_golomb()} * unit_x;
        crop_y = std::uint64_t{in.exp_golomb()} * unit_y;
        crop_y += std::uint64_t{in.exp_golomb()} * unit_y;
    }
    const std::uint64_t width = width_mbs * 16;
    const std::uint64_t height = height_units * 16 * (2 - frame_only);
    if (in.exhausted() || width > 65'536 || height > 65'536 || crop_x >= width ||
        crop_y >= height) {
        return fail(errc::invalid_argument, "bad_sps");
    }
    facts.width = static_cast<int>(width - crop_x);
    facts.height = static_cast<int>(height - crop_y);
    return facts;
}

}  // namespace vora::worker
