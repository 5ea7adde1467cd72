#include "services/worker/core/tool_arguments.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace vora::worker {

namespace {

using contracts::encode_plan;

// Decoders that real uploads need; the other few hundred are attack surface.
// clang-format off
constexpr const char* decoders =
    "h264,hevc,vp8,vp9,libdav1d,av1,libaom-av1,mpeg1video,mpeg2video,mpeg4,msmpeg4v1,msmpeg4v2,"
    "msmpeg4,h261,h263,h263i,h263p,flv,flashsv,vp3,vp5,vp6,vp6a,vp6f,theora,wmv1,wmv2,wmv3,vc1,"
    "mjpeg,mjpegb,prores,dnxhd,dvvideo,cfhd,cinepak,indeo3,indeo4,indeo5,svq1,svq3,rpza,qtrle,8bps,"
    "smc,rawvideo,v210,huffyuv,ffvhuff,ffv1,utvideo,lagarith,magicyuv,zlib,cscd,tscc,tscc2,msrle,"
    "msvideo1,png,jpeg2000,"
    "aac,aac_latm,mp3float,mp3,mp2float,mp2,mp1float,mp1,ac3,eac3,dca,truehd,mlp,opus,libopus,"
    "vorbis,flac,alac,wavpack,tta,speex,libspeex,amrnb,amrwb,gsm,gsm_ms,wmav1,wmav2,wmapro,"
    "wmalossless,wmavoice,nellymoser,qdm2,qdmc,mace3,mace6,s302m,adpcm_ima_wav,adpcm_ima_qt,"
    "adpcm_ms,adpcm_swf,adpcm_yamaha,adpcm_g722,adpcm_g726,pcm_s8,pcm_u8,pcm_s16le,pcm_s16be,"
    "pcm_u16le,pcm_u16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,pcm_f32be,pcm_f64le,"
    "pcm_f64be,pcm_alaw,pcm_mulaw,pcm_bluray,pcm_dvd,"
    // Never used, but ffprobe gives a file up if a track may not be opened: covers, texts.
    "bmp,webp,gif,ssa,ass,dvbsub,libzvbi_teletextdec,dvdsub,cc_dec,pgssub,mov_text,srt,subrip,text,"
    "webvtt,xsub";
// clang-format on

constexpr const char* entries_asked =
    "stream=index,codec_type,codec_name,width,height,sample_aspect_ratio,pix_fmt,r_frame_rate,"
    "avg_frame_rate,start_time,duration,channels,sample_rate:stream_disposition=attached_pic:"
    "stream_side_data=rotation:stream_tags=DURATION:format=format_name,duration,start_time";

void add(arguments& to, std::initializer_list<std::string> words) {
    to.insert(to.end(), words);
}

// What holds for every file from outside: this file and no other, this format and no other,
// bounded.
void add_input(arguments& to, const sniffed_format& format) {
    add(to, {"-protocol_whitelist", "file", "-format_whitelist", format.demuxer, "-codec_whitelist",
             decoders, "-max_streams", "100", "-probesize", "20000000", "-analyzeduration",
             "20000000", "-f", format.demuxer});
}

std::string fixed(double n, int digits) {
    char text[64];
    std::snprintf(text, sizeof text, "%.*f", digits, n);
    return text;
}

std::string text(std::int64_t n) {
    return std::to_string(n);
}

// fps first, once for all rungs: rates changed per rung would cut at different places. It also
// starts every track at 0, and trim ends what a lying timestamp would make endless.
std::string filter_graph(const encode_plan& plan) {
    const auto count = plan.rungs.size();
    const bool bounded = plan.output_s_max > 0;
    // A start within one frame is moved to 0 (containers shift pictures by the sound's priming); a
    // later one is filled with its first picture.
    const double moved_s = std::min(1.01 / plan.fps, 0.045);
    std::string graph = "[0:" + text(plan.video_stream_index) + "]setpts='PTS-if(lt(STARTT," +
                        fixed(moved_s, 4) + "),STARTPTS,0)',fps=" + rate_text(plan.fps) +
                        ":start_time=0";
    if (bounded) {
        graph += ",trim=end=" + fixed(plan.output_s_max, 3);
    }
    graph += ",split=" + text(static_cast<std::int64_t>(count));
    for (std::size_t n = 0; n < count; ++n) {
        graph += "[s" + std::to_string(n) + "]";
    }
    for (std::size_t n = 0; n < count; ++n) {
        const auto& rung = plan.rungs[n];
        graph += ";[s" + std::to_string(n) + "]scale=" + text(rung.width) + ":" +
                 text(rung.height) + ":flags=bicubic:out_range=tv,setsar=1,format=yuv420p[v" +
                 std::to_string(n) + "]";
    }
    return graph;
}

// A graph of its own: one graph for both would keep every decoded picture until the first sound
// comes.
std::string sound_graph(const encode_plan& plan) {
    std::string graph =
        "[0:" + text(plan.audio_stream_index) + "]aresample=48000:async=1:first_pts=0";
    if (plan.output_s_max > 0) {
        graph += ",atrim=end=" + fixed(plan.output_s_max, 3);
    }
    return graph + ",aformat=sample_fmts=fltp:sample_rates=48000:channel_layouts=stereo[a]";
}

void add_video_encoder(arguments& to, const encode_plan& plan, int threads) {
    // Keyframes at every multiple of the segment length and nowhere else; the small difference
    // makes sure of a frame that rounding put just before its multiple.
    const auto keyframes = "expr:gte(t,n_forced*" + fixed(plan.segment_s, 3) + "-0.001)";
    const auto distance_max = static_cast<std::int64_t>(std::ceil(plan.fps * plan.segment_s)) + 2;
    add(to, {"-c:v", "libx264", "-preset", plan.preset, "-profile:v", "high", "-pix_fmt", "yuv420p",
             "-force_key_frames:v", keyframes, "-sc_threshold:v", "0", "-g:v", text(distance_max),
             "-keyint_min:v", text(distance_max), "-flags:v", "+bitexact+cgop"});
    for (std::size_t n = 0; n < plan.rungs.size(); ++n) {
        const auto& rung = plan.rungs[n];
        const auto stream = ":v:" + std::to_string(n);
        const auto buffer =
            static_cast<std::int64_t>(static_cast<double>(rung.video_bitrate_max) * 2 / 1.07);
        add(to,
            {"-crf" + stream, fixed(rung.crf, 1), "-maxrate" + stream, text(rung.video_bitrate_max),
             "-bufsize" + stream, text(buffer), "-threads" + stream, std::to_string(threads)});
    }
}

// The tee muxer hands each encoded packet to one HLS muxer per rung. A segment ends at every
// keyframe, so hls_time only has to be shorter than the distance of two. The playlists it writes
// are not used.
std::string tee_outputs(const encode_plan& plan) {
    std::string outputs;
    for (std::size_t n = 0; n < plan.rungs.size(); ++n) {
        const auto directory = rung_directory(n);
        outputs += n == 0 ? "" : "|";
        outputs +=
            "[f=hls:select=\\'v:" + std::to_string(n) + (plan.audio ? ",a:0" : "") +
            "\\':max_delay=0:hls_time=0.1:hls_list_size=2:start_number=1:hls_segment_filename=" +
            directory + "/seg_%02d.ts]" + directory + "/live.m3u8";
    }
    return outputs;
}

}  // namespace

std::string rung_directory(std::size_t rung) {
    return "r" + std::to_string(rung);
}

std::string segment_name(std::size_t number) {
    return (number < 10 ? "seg_0" : "seg_") + std::to_string(number) + ".ts";
}

std::string rate_text(double fps) {
    for (const int base : {24, 30, 48, 60, 120}) {
        if (std::abs(fps - base * 1000 / 1001.0) < 0.001) {
            return std::to_string(base * 1000) + "/1001";
        }
    }
    const auto rounded = std::llround(fps);
    if (std::abs(fps - static_cast<double>(rounded)) < 0.0005) {
        return text(std::max<std::int64_t>(1, rounded));
    }
    return text(std::max<std::int64_t>(1, std::llround(fps * 1000))) + "/1000";
}

arguments probe_arguments(const sniffed_format& format, std::int64_t pixels_max) {
    arguments to{"-v", "error", "-hide_banner"};
    add_input(to, format);
    add(to, {"-max_pixels", text(pixels_max), "-show_entries", entries_asked, "-of", "json", "-i",
             input_file});
    return to;
}

arguments packet_scan_arguments(const sniffed_format& format, int stream_index) {
    arguments to{"-v", "quiet", "-hide_banner"};
    add_input(to, format);
    add(to, {"-select_streams", std::to_string(stream_index), "-show_entries",
             "packet=pts_time,dts_time,duration_time", "-of", "csv=p=0", "-i", input_file});
    return to;
}

arguments encode_arguments(const encode_plan& plan, const sniffed_format& format,
                           int encoder_threads) {
    arguments to{"-hide_banner", "-nostdin",        "-nostats", "-loglevel",
                 "error",        "-progress",       "pipe:1",   "-stats_period",
                 "0.5",          "-max_error_rate", "1"};
    add_input(to, format);
    add(to, {"-i", input_file, "-filter_complex", filter_graph(plan)});
    if (plan.audio) {
        add(to, {"-filter_complex", sound_graph(plan)});
    }
    for (std::size_t n = 0; n < plan.rungs.size(); ++n) {
        add(to, {"-map", "[v" + std::to_string(n) + "]"});
    }
    if (plan.audio) {
        add(to, {"-map", "[a]", "-c:a", "aac", "-b:a", text(plan.audio_bitrate), "-flags:a",
                 "+bitexact"});
    }
    add(to, {"-map_metadata", "-1", "-map_chapters", "-1", "-fflags", "+bitexact"});
    add_video_encoder(to, plan, encoder_threads);
    add(to,
        {"-muxing_queue_data_threshold", "200000000", "-max_muxing_queue_size", "100000",
         "-muxdelay", "0", "-muxpreload", "0", "-output_ts_offset",
         fixed(static_cast<double>(start_pts_90k) / 90'000, 3), "-f", "tee", tee_outputs(plan)});
    return to;
}

arguments thumbnail_arguments(const std::string& segment_path, double at_s, int short_side,
                              int width, int height) {
    const int smaller = std::min(width, height);
    // Not -ss: a seek inside a segment has no keyframe to land on.
    std::string filter = "trim=start=" + fixed(at_s, 3) + ",thumbnail=12";
    if (smaller > short_side) {
        filter += width >= height ? ",scale=-2:" : ",scale=";
        filter += std::to_string(short_side);
        filter += width >= height ? "" : ":-2";
    }
    arguments to{"-hide_banner",
                 "-nostdin",
                 "-nostats",
                 "-loglevel",
                 "error",
                 "-y",
                 "-protocol_whitelist",
                 "file",
                 "-format_whitelist",
                 "mpegts",
                 "-f",
                 "mpegts",
                 "-i",
                 segment_path};
    add(to, {"-map", "0:v:0", "-vf", filter + ",format=yuvj420p", "-frames:v", "1", "-q:v", "4",
             "-map_metadata", "-1", "-flags:v", "+bitexact", "-fflags", "+bitexact", "-f", "image2",
             "-update", "1", thumbnail_file});
    return to;
}

}  // namespace vora::worker
