#include "libs/net/http.hpp"

#include "libs/base/assert.hpp"

#include <algorithm>
#include <cstring>

namespace vora::net {

namespace {

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool same_name(std::string_view a, std::string_view b) {
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                              [](char x, char y) { return lower(x) == lower(y); });
}

class memory_body final : public body_reader {
 public:
    explicit memory_body(std::string bytes) : bytes_(std::move(bytes)) {}

    task<result<std::size_t>> read(std::span<char> into) override {
        const std::size_t n = std::min(into.size(), bytes_.size() - at_);
        std::memcpy(into.data(), bytes_.data() + at_, n);
        at_ += n;
        co_return n;
    }
    std::optional<std::uint64_t> length() const override { return bytes_.size(); }

 private:
    std::string bytes_;
    std::size_t at_ = 0;
};

}  // namespace

void headers::set(std::string_view name, std::string_view value) {
    for (auto it = fields_.begin(); it != fields_.end(); ++it) {
        if (same_name(it->first, name)) {
            it->second = value;
            fields_.erase(std::remove_if(it + 1, fields_.end(),
                                         [&](const auto& f) { return same_name(f.first, name); }),
                          fields_.end());
            return;
        }
    }
    add(name, value);
}

void headers::add(std::string_view name, std::string_view value) {
    fields_.emplace_back(name, value);
}

void headers::remove(std::string_view name) {
    std::erase_if(fields_, [&](const auto& f) { return same_name(f.first, name); });
}

std::optional<std::string_view> headers::get(std::string_view name) const {
    for (const auto& [field, value] : fields_) {
        if (same_name(field, name)) {
            return value;
        }
    }
    return std::nullopt;
}

std::size_t headers::count(std::string_view name) const {
    return static_cast<std::size_t>(std::count_if(
        fields_.begin(), fields_.end(), [&](const auto& f) { return same_name(f.first, name); }));
}

std::unique_ptr<body_reader> body_of(std::string bytes) {
    return std::make_unique<memory_body>(std::move(bytes));
}

task<result<std::string>> read_all(body_reader& body, std::size_t bytes_max) {
    const auto too_large = [] {
        return fail(errc::resource_exhausted, "body_too_large",
                    "the body is larger than allowed here");
    };
    const auto length = body.length();
    if (length && *length > bytes_max) {
        co_return too_large();
    }
    std::string all;
    std::size_t used = 0;
    for (;;) {
        // Room for one byte more than allowed: whether there is one decides between right and too
        // large.
        if (used == all.size()) {
            const std::size_t first = length ? static_cast<std::size_t>(*length) + 1 : 4096;
            all.resize(std::min(bytes_max + 1, std::max(first, used * 2)));
        }
        auto n = co_await body.read(std::span(all).subspan(used));
        if (!n) {
            co_return fail(n.error());
        }
        if (*n == 0) {
            break;
        }
        used += *n;
        if (used > bytes_max) {
            co_return too_large();
        }
    }
    all.resize(used);
    co_return all;
}

std::string_view request::param(std::string_view name) const {
    for (const auto& [key, value] : params) {
        if (key == name) {
            return value;
        }
    }
    VORA_ASSERT(!"a route parameter that its pattern does not have");
    return {};
}

std::optional<std::string_view> request::query_value(std::string_view name) const {
    for (const auto& [key, value] : query) {
        if (key == name) {
            return value;
        }
    }
    return std::nullopt;
}

response response::text(int status, std::string body, std::string_view content_type) {
    response r;
    r.status = status;
    r.headers.set("Content-Type", content_type);
    r.body = std::move(body);
    return r;
}

response response::json(int status, std::string body) {
    return text(status, std::move(body), "application/json");
}

response response::empty(int status) {
    response r;
    r.status = status;
    return r;
}

std::string_view reason_phrase(int status) {
    static constexpr std::pair<int, std::string_view> phrases[] = {
        {100, "Continue"},
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {423, "Locked"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {460, "Checksum Mismatch"},
        {499, "Client Closed Request"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {507, "Insufficient Storage"},
    };
    for (const auto& [known, phrase] : phrases) {
        if (known == status) {
            return phrase;
        }
    }
    return status < 400 ? "OK" : status < 500 ? "Request Refused" : "Server Error";
}

}  // namespace vora::net
