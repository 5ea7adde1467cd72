#include "services/worker/core/encoder.hpp"
#include "services/worker/core/publisher.hpp"
#include "services/worker/core/tool_arguments.hpp"
#include "services/worker/testing/media_bench.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>

namespace vora::worker {
namespace {

const std::string encoders = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac ";

std::string picture(const std::string& size, int seconds, int fps = 25) {
    return "-f lavfi -i testsrc2=s=" + size + ":r=" + std::to_string(fps) +
           ":d=" + std::to_string(seconds) + " ";
}

std::string tone(int seconds, const std::string& layout = "mono") {
    return "-f lavfi -i aevalsrc='0.2*sin(2000*t)" +
           std::string(layout == "5.1" ? "|0|0|0|0|0" : "") + ":c=" + layout +
           ":s=44100:d=" + std::to_string(seconds) + "' ";
}

std::string code(const media_result<encoded_video>& r) {
    return r ? "" : r.error().code;
}

std::string decoded_frames(media_bench& bench, const std::string& path) {
    auto text = bench.ask(
        "-count_frames -select_streams v:0 -show_entries stream=nb_read_frames -of csv=p=0", path);
    return text.substr(0, text.find_first_of("\n,"));
}

TEST(encode, makes_aligned_rungs_that_decode_whole) {
    media_bench bench;
    bench.make("u/a.mp4", picture("640x480", 9) + tone(9) + encoders);
    auto made = bench.encode("u/a.mp4", {"480x360", "320x240"});
    ASSERT_TRUE(made) << made.error().code << " " << made.error().detail;
    const auto& renditions = made->result.renditions;
    ASSERT_EQ(renditions.size(), 2u);
    EXPECT_TRUE(made->result.input_report.empty());
    EXPECT_NEAR(made->result.duration_s, 9, 0.001);
    for (const auto& r : renditions) {
        EXPECT_EQ(r.frames, 225) << r.name;
        EXPECT_EQ(r.segments, 3) << r.name;
        EXPECT_EQ(r.frame_rate, 25);
        // What is there, not what was asked: this preset makes baseline of any profile.
        EXPECT_TRUE(r.codecs.starts_with("avc1.42c0")) << r.codecs;
        EXPECT_TRUE(r.codecs.ends_with(",mp4a.40.2")) << r.codecs;
        const auto path = bench.joined("v/", r.name, 3);
        EXPECT_EQ(decoded_frames(bench, path), "225");
        const auto size = bench.ask(
            "-select_streams v:0 -show_entries stream=width,height,pix_fmt -of csv=p=0", path);
        EXPECT_TRUE(
            size.starts_with(std::to_string(r.width) + "," + std::to_string(r.height) + ",yuv420p"))
            << size;
        const auto list = read_file(bench.processed("v/" + r.name + "/playlist.m3u8"));
        EXPECT_NE(list.find("#EXT-X-TARGETDURATION:4\n"), std::string::npos);
        EXPECT_NE(list.find("#EXTINF:4.000000,\nseg_01.ts\n#EXTINF:4.000000,\nseg_02.ts\n"
                            "#EXTINF:1.000000,\nseg_03.ts\n#EXT-X-ENDLIST\n"),
                  std::string::npos)
            << list;
    }
    EXPECT_EQ(read_file(bench.processed("v/thumbnail.jpg")).substr(0, 2), "\xFF\xD8");
    EXPECT_FALSE(std::filesystem::exists(bench.processed("v/master.m3u8"))) << "publish writes it";
    EXPECT_EQ(bench.files_in("scratch"), 0u);
}

TEST(encode, keeps_sound_and_picture_together_and_stereo) {
    media_bench bench;
    bench.make("u/a.mkv", picture("320x240", 5) + tone(5, "5.1") + encoders);
    auto made = bench.encode("u/a.mkv", {"320x240"});
    ASSERT_TRUE(made) << made.error().code;
    const auto path = bench.joined("v/", "240p", 2);
    const auto audio = bench.ask(
        "-select_streams a:0 -show_entries stream=codec_name,sample_rate,channels -of csv=p=0",
        path);
    EXPECT_TRUE(audio.starts_with("aac,48000,2")) << audio;
    const auto starts = bench.ask("-show_entries stream=start_time -of csv=p=0", path);
    std::istringstream in(starts);
    double video_start = 0;
    double audio_start = 0;
    in >> video_start >> audio_start;
    EXPECT_EQ(video_start, 10);
    EXPECT_NEAR(audio_start, 10 - 1024.0 / 48'000, 0.001);
}

TEST(encode, manages_odd_sizes_rotation_and_pixels_that_are_not_square) {
    media_bench bench;
    bench.make("u/odd.mp4",
               "-f lavfi -i testsrc=s=241x161:r=25:d=1 -c:v libx264 -preset ultrafast "
               "-pix_fmt yuv444p ");
    auto odd = bench.encode("u/odd.mp4", {"240x160"}, "odd/");
    ASSERT_TRUE(odd) << odd.error().code;
    EXPECT_EQ(odd->result.renditions[0].name, "160p");
    EXPECT_EQ(odd->result.renditions[0].frames, 25);
    EXPECT_EQ(odd->result.renditions[0].codecs.find("mp4a"), std::string::npos)
        << "no sound, no mp4a";

    bench.make("u/lying.mp4", picture("320x240", 1) + encoders);
    shell("ffmpeg -nostdin -v error -y -i " + bench.directory.path() +
          "/made-lying.mp4 -c copy -metadata:s:v:0 rotate=90 " + bench.directory.path() +
          "/up.mp4");
    bench.put("u/up.mp4", read_file(bench.directory / "up.mp4"));
    auto up = bench.encode("u/up.mp4", {"240x320"}, "up/");
    ASSERT_TRUE(up) << up.error().code;
    EXPECT_EQ(up->result.renditions[0].height, 320);

    bench.make("u/wide.mp4", picture("320x240", 1) + "-vf setsar=4/3 " + encoders);
    auto wide = bench.encode("u/wide.mp4", {"426x240"}, "wide/");
    ASSERT_TRUE(wide) << wide.error().code;
    const auto sar =
        bench.ask("-select_streams v:0 -show_entries stream=sample_aspect_ratio -of csv=p=0",
                  bench.joined("wide/", "240p", 1));
    EXPECT_TRUE(sar.starts_with("1:1") || sar.starts_with("N/A")) << sar;
}

TEST(encode, makes_a_video_of_one_frame) {
    media_bench bench;
    bench.make("u/one.mp4", picture("320x240", 1) + "-frames:v 1 " + encoders);
    auto made = bench.encode("u/one.mp4", {"320x240"});
    ASSERT_TRUE(made) << made.error().code << " " << made.error().detail;
    EXPECT_EQ(made->result.renditions[0].frames, 1);
    EXPECT_EQ(made->result.renditions[0].segments, 1);
    EXPECT_NEAR(made->result.duration_s, 0.04, 0.0001);
    const auto list = read_file(bench.processed("v/240p/playlist.m3u8"));
    EXPECT_NE(list.find("#EXT-X-TARGETDURATION:1\n"), std::string::npos);
    EXPECT_NE(list.find("#EXTINF:0.040000,\n"), std::string::npos);
}

TEST(encode, cuts_fractional_rates_at_the_same_pictures_in_every_rung) {
    media_bench bench({}, {2, "superfast"});
    bench.make("u/ntsc.mp4", "-f lavfi -i testsrc2=s=320x240:r=30000/1001:d=9 " + encoders);
    auto made = bench.encode("u/ntsc.mp4", {"320x240", "160x120"});
    ASSERT_TRUE(made) << made.error().code << " " << made.error().detail;
    EXPECT_EQ(made->result.renditions[0].segments, 3);
    EXPECT_EQ(made->result.renditions[0].frames, 270);
    EXPECT_EQ(made->result.renditions[0].frame_rate, 29.97);
    EXPECT_TRUE(made->result.renditions[0].codecs.starts_with("avc1.6400"));
}

TEST(encode, makes_the_same_bytes_again_with_one_thread) {
    media_bench bench;
    bench.make("u/a.mp4", picture("320x240", 5) + tone(5) + encoders);
    ASSERT_TRUE(bench.encode("u/a.mp4", {"320x240", "160x120"}, "one/"));
    ASSERT_TRUE(bench.encode("u/a.mp4", {"320x240", "160x120"}, "two/"));
    for (const char* name :
         {"240p/seg_01.ts", "240p/seg_02.ts", "240p/playlist.m3u8", "120p/seg_01.ts",
          "120p/seg_02.ts", "120p/playlist.m3u8", "thumbnail.jpg"}) {
        EXPECT_TRUE(read_file(bench.processed(std::string("one/") + name)) ==
                    read_file(bench.processed(std::string("two/") + name)))
            << name;
    }
}

TEST(encode, accepts_what_an_attempt_before_has_stored_and_never_changes_it) {
    media_bench bench({}, {1, "ultrafast"});
    bench.make("u/a.mp4", picture("320x240", 5) + tone(5) + encoders);
    ASSERT_TRUE(bench.encode("u/a.mp4", {"320x240"}));
    const auto first = read_file(bench.processed("v/240p/seg_01.ts"));
    // Other bytes of the same pictures: as threads make them, only more so.
    encoder other(bench.raw, bench.store, bench.store, bench.tools, bench.scratch, bench.pool,
                  {2, "superfast"});
    contracts::encode_input in;
    in.source_key = "u/a.mp4";
    in.output_prefix = "v/";
    in.plan = bench.plan(*bench.probe("u/a.mp4"), {"320x240"});
    fake_attempt a;
    auto again = bench.loop.run_until_done(other.encode(in, a));
    // B-frames shift decoding times, so superfast may not be interchangeable with ultrafast: then
    // it is a conflict. What is stored stays in either case.
    if (!again) {
        EXPECT_EQ(again.error().code, "output_conflict");
        EXPECT_FALSE(again.error().retryable);
    }
    EXPECT_TRUE(read_file(bench.processed("v/240p/seg_01.ts")) == first);
}

TEST(encode, accepts_other_bytes_of_the_same_pictures) {
    media_bench bench;
    bench.make("u/a.mp4", picture("320x240", 5) + tone(5) + encoders);
    ASSERT_TRUE(bench.encode("u/a.mp4", {"320x240"}));
    const auto first = read_file(bench.processed("v/240p/seg_01.ts"));
    contracts::encode_input in;
    in.source_key = "u/a.mp4";
    in.output_prefix = "v/";
    in.plan = bench.plan(*bench.probe("u/a.mp4"), {"320x240"});
    in.plan.rungs[0].crf = 30;
    auto again = bench.encode(in);
    ASSERT_TRUE(again) << again.error().code;
    EXPECT_TRUE(read_file(bench.processed("v/240p/seg_01.ts")) == first);
    const auto stored = first.size() + read_file(bench.processed("v/240p/seg_02.ts")).size();
    EXPECT_EQ(again->result.renditions[0].size_bytes, static_cast<std::int64_t>(stored))
        << "what is announced is what is stored";
}

TEST(encode, refuses_to_mix_with_a_foreign_output) {
    media_bench bench;
    bench.make("u/a.mp4", picture("320x240", 2) + encoders);
    bench.loop.run_until_done(
        bench.store.put("v/240p/seg_01.ts", "something else", blob::put_mode::create_only));
    auto made = bench.encode("u/a.mp4", {"320x240"});
    EXPECT_EQ(code(made), "output_conflict");
    EXPECT_EQ(read_file(bench.processed("v/240p/seg_01.ts")), "something else");
}

TEST(encode, plays_what_is_there_of_a_truncated_file_and_says_so) {
    media_bench bench;
    bench.make("u/a.mp4", picture("320x240", 8) + encoders + "-g 25 -movflags +faststart ");
    const auto whole = bench.raw_bytes("u/a.mp4");
    bench.put("u/most", whole.substr(0, whole.size() * 3 / 4));
    auto most = bench.encode("u/most", {"320x240"}, "most/");
    ASSERT_TRUE(most) << most.error().code << " " << most.error().detail;
    ASSERT_EQ(most->result.input_report.size(), 1u);
    EXPECT_EQ(most->result.input_report[0].code, "truncated");
    EXPECT_GT(most->result.duration_s, 4);
    EXPECT_LT(most->result.duration_s, 7.5);
    bench.put("u/little", whole.substr(0, whole.size() * 15 / 100));
    EXPECT_EQ(code(bench.encode("u/little", {"320x240"}, "little/")), "input_damaged");
    EXPECT_FALSE(std::filesystem::exists(bench.processed("little")));
}

TEST(encode, keeps_the_place_of_sound_that_begins_late) {
    media_bench bench;
    bench.make("u/late.mkv", picture("320x240", 12) + "-itsoffset 9 " + tone(2) + encoders);
    auto made = bench.encode("u/late.mkv", {"320x240"});
    ASSERT_TRUE(made) << made.error().code << " " << made.error().detail;
    EXPECT_EQ(made->result.renditions[0].frames, 300);
    const auto path = bench.joined("v/", "240p", 3);
    const auto loud = shell("ffmpeg -v info -nostdin -i " + path +
                            " -map 0:a -af silencedetect=d=1 -f null - 2>&1 | grep silence_end");
    EXPECT_NEAR(std::stod(loud.substr(loud.find("silence_end: ") + 13)), 9, 0.15) << loud;
}

TEST(encode, fills_the_time_before_a_video_that_begins_late) {
    media_bench bench;
    bench.make("u/late.mkv", tone(5) + "-itsoffset 2 " + picture("320x240", 3) + encoders);
    auto made = bench.encode("u/late.mkv", {"320x240"});
    ASSERT_TRUE(made) << made.error().code << " " << made.error().detail;
    EXPECT_NEAR(static_cast<double>(made->result.renditions[0].frames), 125, 1);
}

TEST(encode, goes_on_when_no_sound_can_be_decoded) {
    media_bench bench;
    bench.make("u/plain.mp4", picture("320x240", 5) + tone(5) + encoders);
    shell("ffmpeg -nostdin -v error -y -i " + bench.directory.path() +
          "/made-plain.mp4 -c copy -bsf:a noise=1 " + bench.directory.path() + "/noise.mkv");
    bench.put("u/noise.mkv", read_file(bench.directory / "noise.mkv"));
    auto made = bench.encode("u/noise.mkv", {"320x240"});
    ASSERT_TRUE(made) << made.error().code << " " << made.error().detail;
    EXPECT_EQ(made->result.renditions[0].frames, 125);
    EXPECT_EQ(made->result.renditions[0].codecs.find("mp4a"), std::string::npos)
        << "what is not there is not announced";
}

TEST(encode, takes_no_offence_at_subtitles) {
    media_bench bench;
    write_file(bench.directory / "s.srt", "1\n00:00:00,000 --> 00:00:02,000\nhello\n\n");
    const auto subtitles = "-f srt -i " + (bench.directory / "s.srt") + " -map 0 -map 1 ";
    bench.make("u/a.mkv", picture("320x240", 2) + subtitles + encoders);
    bench.make("u/a.mp4", picture("320x240", 2) + subtitles + encoders + "-c:s mov_text ");
    EXPECT_EQ(code(bench.encode("u/a.mkv", {"320x240"}, "one/")), "");
    EXPECT_EQ(code(bench.encode("u/a.mp4", {"320x240"}, "two/")), "");
}

TEST(encode, ends_a_time_bomb_at_the_declared_length) {
    media_bench bench;
    bench.make(
        "u/bomb.mkv",
        picture("64x48", 4) + "-vf \"setpts=PTS+gte(N\\\\,50)*36000/TB\" -vsync vfr " + encoders);
    auto facts = bench.probe("u/bomb.mkv");
    ASSERT_TRUE(facts) << facts.error().code;
    EXPECT_LE(facts->video_packets, 100);
    EXPECT_GT(facts->video_end_s, 36'000);
    contracts::encode_input in;
    in.source_key = "u/bomb.mkv";
    in.output_prefix = "v/";
    in.plan = bench.plan(*facts, {"64x48"});
    in.plan.fps = 25;
    in.plan.duration_s = 4;
    in.plan.output_s_max = 8;
    auto made = bench.encode(in);
    ASSERT_TRUE(made) << made.error().code;
    EXPECT_LE(made->result.renditions[0].frames, 8 * 25);
    EXPECT_LT(made->cpu_s, 20);
}

TEST(encode, reports_a_killed_encoder_as_retryable_and_leaves_nothing) {
    media_bench bench;
    bench.make("u/a.mp4", picture("640x480", 20) + encoders);
    contracts::encode_input in;
    in.source_key = "u/a.mp4";
    in.output_prefix = "v/";
    in.plan = bench.plan(*bench.probe("u/a.mp4"), {"640x480", "320x240"});
    in.plan.preset = "slower";
    encoder slow(bench.raw, bench.store, bench.store, bench.tools, bench.scratch, bench.pool,
                 {1, ""});

    // Kills the encoder from outside as soon as it has begun.
    struct killer final : attempt {
        explicit killer(std::string where) : directory(std::move(where)) {}
        bool should_stop() const override { return false; }
        void progress(std::string_view, double, double) override {
            killed += end_strays(directory);
        }
        std::string directory;
        int killed = 0;
    } a(bench.directory / "scratch");
    auto made = bench.loop.run_until_done(slow.encode(in, a));
    ASSERT_GE(a.killed, 1);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, "encoder_crashed");
    EXPECT_TRUE(made.error().retryable);
    EXPECT_EQ(bench.files_in("processed"), 0u);
    EXPECT_EQ(bench.files_in("scratch"), 0u);
}

TEST(encode, stops_when_the_attempt_is_cancelled) {
    media_bench bench;
    bench.make("u/a.mp4", picture("640x480", 20) + encoders);
    contracts::encode_input in;
    in.source_key = "u/a.mp4";
    in.output_prefix = "v/";
    in.plan = bench.plan(*bench.probe("u/a.mp4"), {"640x480"});
    in.plan.preset = "slower";
    encoder slow(bench.raw, bench.store, bench.store, bench.tools, bench.scratch, bench.pool,
                 {1, ""});
    fake_attempt a;
    a.stop_at_percent = 0.01;
    auto made = bench.loop.run_until_done(slow.encode(in, a));
    EXPECT_EQ(code(made), "cancelled");
    EXPECT_EQ(bench.files_in("scratch"), 0u);
    EXPECT_EQ(bench.files_in("processed"), 0u);
}

TEST(encode, ends_an_encoder_that_costs_more_than_allowed) {
    media_bench bench;
    bench.make("u/a.mp4", picture("640x480", 20) + encoders);
    contracts::encode_input in;
    in.source_key = "u/a.mp4";
    in.output_prefix = "v/";
    in.plan = bench.plan(*bench.probe("u/a.mp4"), {"640x480"});
    in.plan.preset = "veryslow";
    in.plan.cpu_seconds_max = 1;
    encoder slow(bench.raw, bench.store, bench.store, bench.tools, bench.scratch, bench.pool,
                 {1, ""});
    fake_attempt a;
    auto made = bench.loop.run_until_done(slow.encode(in, a));
    EXPECT_EQ(code(made), "input_too_expensive");
    ASSERT_FALSE(made);
    EXPECT_FALSE(made.error().retryable);
}

TEST(encode, tells_its_progress) {
    media_bench bench;
    bench.make("u/a.mp4", picture("640x480", 10) + encoders);
    contracts::encode_input in;
    in.source_key = "u/a.mp4";
    in.output_prefix = "v/";
    in.plan = bench.plan(*bench.probe("u/a.mp4"), {"640x480"});
    encoder slow(bench.raw, bench.store, bench.store, bench.tools, bench.scratch, bench.pool,
                 {1, "slow"});
    fake_attempt a;
    auto made = bench.loop.run_until_done(slow.encode(in, a));
    ASSERT_TRUE(made) << made.error().code;
    EXPECT_EQ(a.stages, (std::vector<std::string>{"encoding", "publishing"}));
    EXPECT_TRUE(std::is_sorted(a.percents.begin(), a.percents.end()));
    EXPECT_GT(std::count_if(a.percents.begin(), a.percents.end(),
                            [](double p) { return p > 5 && p < 95; }),
              0);
}

TEST(encode, refuses_a_plan_that_is_none) {
    media_bench bench;
    contracts::encode_input in;
    in.output_prefix = "v/";
    EXPECT_EQ(code(bench.encode(in)), "bad_plan");
    contracts::probe_facts facts;
    facts.video_stream_index = 0;
    facts.video_duration_s = 1;
    in.plan = bench.plan(facts, {"320x240"});
    EXPECT_TRUE(is_sane(in.plan));
    in.plan.preset = "veryfast -f null";
    EXPECT_FALSE(is_sane(in.plan));
    in.plan.preset = "veryfast";
    in.plan.rungs[0].name = "../240p";
    EXPECT_FALSE(is_sane(in.plan));
}

TEST(publish, writes_the_master_last_and_only_when_all_is_there) {
    media_bench bench;
    bench.make("u/a.mp4", picture("320x240", 5) + encoders);
    auto made = bench.encode("u/a.mp4", {"320x240", "160x120"});
    ASSERT_TRUE(made);
    contracts::publish_input in{"id", "v/", made->result.renditions};
    fake_attempt a;
    auto more = in;
    more.renditions[1].segments += 1;
    auto refused = bench.loop.run_until_done(publish_master(bench.store, bench.store, more, a));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, "output_missing");
    EXPECT_FALSE(std::filesystem::exists(bench.processed("v/master.m3u8")));

    ASSERT_TRUE(bench.loop.run_until_done(publish_master(bench.store, bench.store, in, a)));
    ASSERT_TRUE(bench.loop.run_until_done(publish_master(bench.store, bench.store, in, a)))
        << "again is the same";
    const auto master = read_file(bench.processed("v/master.m3u8"));
    EXPECT_NE(master.find("RESOLUTION=320x240"), std::string::npos);
    EXPECT_LT(master.find("240p/playlist.m3u8"), master.find("120p/playlist.m3u8"));
    const auto frames = decoded_frames(bench, bench.processed("v/master.m3u8"));
    EXPECT_EQ(frames, "125") << "an HLS reader plays it";
}

TEST(remove_outputs, removes_what_lies_under_the_prefix_and_nothing_else) {
    media_bench bench;
    for (const char* key : {"v/master.m3u8", "v/240p/seg_01.ts", "v2/master.m3u8"}) {
        bench.loop.run_until_done(bench.store.put(key, "x", blob::put_mode::create_only));
    }
    ASSERT_TRUE(bench.loop.run_until_done(remove_outputs(bench.store, {"v/"})));
    ASSERT_TRUE(bench.loop.run_until_done(remove_outputs(bench.store, {"v/"})));
    EXPECT_EQ(bench.files_in("processed/v"), 0u);
    EXPECT_EQ(bench.files_in("processed/v2"), 1u);
    for (const char* prefix : {"", "/", "v", "../", "./"}) {
        auto refused = bench.loop.run_until_done(remove_outputs(bench.store, {prefix}));
        EXPECT_FALSE(refused) << prefix;
    }
}

}  // namespace
}  // namespace vora::worker
