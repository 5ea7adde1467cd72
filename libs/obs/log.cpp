#include "libs/obs/log.hpp"

#include "libs/base/clock.hpp"

#include <nlohmann/json.hpp>
#include <spdlog/async.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
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

bool is_plain(std::string_view text) {
    return std::ranges::all_of(
        text, [](char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; });
}

// Nearly every text is plain; the rest takes the slow way. Outside text may be no UTF-8: replaced,
// never thrown on.
void append_string(std::string& to, std::string_view text) {
    if (!is_plain(text)) {
        to += nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
        return;
    }
    to += '"';
    to += text;
    to += '"';
}

struct append_value {
    std::string& to;
    void operator()(const std::string& v) const { append_string(to, v); }
    void operator()(std::int64_t v) const { to += std::to_string(v); }
    void operator()(bool v) const { to += v ? "true" : "false"; }
    void operator()(double v) const {
        std::array<char, 32> text{};
        const auto end = std::to_chars(text.data(), text.data() + text.size(), v).ptr;
        to += std::isfinite(v) ? std::string_view(text.data(), end) : std::string_view("null");
    }
};

// Written by hand: a line a request, and a tree of values for each would cost more than the rest of
// many requests.
void append_member(std::string& to, std::string_view key, std::string_view text) {
    to += to.empty() ? "{\"" : ",\"";
    to += key;
    to += "\":";
    append_string(to, text);
}

std::string in_words(level l, std::string_view service, std::string_view event,
                     std::initializer_list<field> fields) {
    std::string text(name_of(l));
    text += ": ";
    text += event;
    if (!service.empty()) {
        text += "  service=" + std::string(service);
    }
    for (const auto& f : fields) {
        text += "  " + std::string(f.key) + "=";
        if (const auto* s = std::get_if<std::string>(&f.value)) {
            text += *s;
        } else {
            std::visit(append_value{text}, f.value);
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
    std::string line;
    line.reserve(256);
    append_member(line, "time", to_rfc3339(system_clock_source().now()));
    append_member(line, "level", name_of(l));
    if (!service_.empty()) {
        append_member(line, "service", service_);
    }
    append_member(line, "event", event);
    for (const auto& f : fields) {
        line += ",\"";
        line += f.key;
        line += "\":";
        std::visit(append_value{line}, f.value);
    }
    line += '}';
    sink_->out->log(spdlog::level::info, line);
    if (sink_->words_to_stderr && l >= level::warn) {
        std::fprintf(stderr, "%s\n", in_words(l, service_, event, fields).c_str());
    }
}

void logger::flush() const {
    if (sink_) {
        sink_->out->flush();
    }
}

}  // namespace vora::obs
