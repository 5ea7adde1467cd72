#include "libs/obs/log.hpp"

#include "libs/base/clock.hpp"

#include <nlohmann/json.hpp>
#include <spdlog/async.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <cstdio>
#include <filesystem>

namespace vora::obs {

struct logger::sink {
    level least = level::info;
    bool words_to_stderr = false;
    std::shared_ptr<spdlog::logger> out;
};

namespace {

std::string_view name_of(level l) {
    switch (l) {
        case level::debug:
            return "debug";
        case level::info:
            return "info";
        case level::warn:
            return "warn";
        case level::error:
            return "error";
    }
    return "info";
}

std::string in_words(const nlohmann::ordered_json& line) {
    std::string text = line["level"].get<std::string>() + ": " + line["event"].get<std::string>();
    for (const auto& [key, value] : line.items()) {
        if (key != "time" && key != "level" && key != "event") {
            text +=
                "  " + key + "=" + (value.is_string() ? value.get<std::string>() : value.dump());
        }
    }
    return text;
}

}  // namespace

logger::logger() = default;

logger logger::to_stderr(level least) {
    logger l;
    l.sink_ = std::make_shared<sink>();
    l.sink_->least = least;
    l.sink_->out =
        std::make_shared<spdlog::logger>("vora", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    l.sink_->out->set_pattern("%v");
    l.sink_->out->set_level(spdlog::level::trace);
    return l;
}

logger logger::to_file(const std::string& path, level least, std::size_t bytes_max,
                       std::size_t files_max) {
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    logger l;
    l.sink_ = std::make_shared<sink>();
    l.sink_->least = least;
    l.sink_->words_to_stderr = true;
    l.sink_->out = std::make_shared<spdlog::logger>(
        "vora", std::make_shared<spdlog::sinks::rotating_file_sink_mt>(path, bytes_max, files_max));
    l.sink_->out->set_pattern("%v");
    l.sink_->out->set_level(spdlog::level::trace);
    l.sink_->out->flush_on(spdlog::level::info);
    return l;
}

logger logger::for_service(std::string_view service) const {
    logger l = *this;
    l.service_ = service;
    return l;
}

void logger::write(level l, std::string_view event, std::initializer_list<field> fields) const {
    if (!sink_ || l < sink_->least) {
        return;
    }
    nlohmann::ordered_json line;
    line["time"] = to_rfc3339(system_clock_source().now());
    line["level"] = name_of(l);
    if (!service_.empty()) {
        line["service"] = service_;
    }
    line["event"] = event;
    for (const auto& f : fields) {
        std::visit([&](const auto& value) { line[std::string(f.key)] = value; }, f.value);
    }
    // Outside text may be no UTF-8: replaced, never thrown on.
    sink_->out->log(spdlog::level::info,
                    line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
    if (sink_->words_to_stderr && l >= level::warn) {
        std::fprintf(stderr, "%s\n", in_words(line).c_str());
    }
}

void logger::flush() const {
    if (sink_) {
        sink_->out->flush();
    }
}

}  // namespace vora::obs
