#include "libs/obs/log.hpp"
#include "libs/obs/metrics.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace vora::obs {
namespace {

std::string read_file(const std::filesystem::path& path) {
    std::ifstream in(path);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

TEST(logger, writes_one_json_object_a_line_and_survives_bytes_that_are_no_text) {
    const auto dir =
        std::filesystem::temp_directory_path() / ("vora_log_" + std::to_string(getpid()));
    {
        auto log =
            logger::to_file(dir / "vora.jsonl", level::info, 1 << 20, 2).for_service("upload");
        log.info("chunk_written", {{"upload", "ab\n\"c"}, {"bytes", 5}, {"ok", true}});
        log.info("odd", {{"name", std::string("\xff\xfe")}});
        log.info("numbers",
                 {{"ms", 0.25}, {"least", INT64_MIN}, {"none", std::nan("")}, {"path", "C:\\"}});
        log.debug("hidden");
        log.flush();
    }
    const auto text = read_file(dir / "vora.jsonl");
    EXPECT_NE(
        text.find(
            R"("service":"upload","event":"chunk_written","upload":"ab\n\"c","bytes":5,"ok":true})"),
        std::string::npos)
        << text;
    EXPECT_NE(text.find("\"event\":\"odd\",\"name\":\"\xef\xbf\xbd\xef\xbf\xbd\"}"),
              std::string::npos)
        << text;
    EXPECT_NE(text.find(R"("ms":0.25,"least":-9223372036854775808,"none":null,"path":"C:\\"})"),
              std::string::npos)
        << text;
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3);
    std::filesystem::remove_all(dir);
}

TEST(metrics, same_name_and_labels_give_the_same_metric) {
    metrics m;
    m.counter("vora_test_total", "a test", {{"kind", "a"}}).add(2);
    m.counter("vora_test_total", "a test", {{"kind", "a"}}).add(1);
    m.gauge("vora_test_level", "a level").set(4);
    m.histogram("vora_test_seconds", "a time", seconds_buckets()).observe(0.02);
    const auto text = m.expose();
    EXPECT_NE(text.find("vora_test_total{kind=\"a\"} 3"), std::string::npos) << text;
    EXPECT_NE(text.find("vora_test_level 4"), std::string::npos);
    EXPECT_NE(text.find("vora_test_seconds_count 1"), std::string::npos);
}

}  // namespace
}  // namespace vora::obs
