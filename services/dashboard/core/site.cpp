#include "services/dashboard/core/site.hpp"

#include "libs/base/crypto.hpp"

#include <algorithm>
#include <vector>

namespace vora::dashboard {

namespace {

constexpr std::string_view play_base_mark = "%PLAY_BASE%";
constexpr std::size_t etag_digits = 20;

std::string etag_of(std::string_view bytes, std::string_view suffix) {
    return "\"" + sha256_hex(bytes).substr(0, etag_digits) + std::string(suffix) + "\"";
}

std::string escape_attribute(std::string_view text) {
    std::string out;
    for (const char c : text) {
        switch (c) {
            case '&':
                out += "&amp;";
                break;
            case '"':
                out += "&quot;";
                break;
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            default:
                out += c;
        }
    }
    return out;
}

bool is_authority_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == ':' || c == '[' || c == ']';
}

// What a page may load from where, and who may frame it. No 'unsafe-inline', no foreign scripts;
// blobs only as what Media Source plays.
std::string make_policy(std::string_view ancestors, std::string_view form_action,
                        const std::vector<std::string>& connect, const std::string& play) {
    const auto with = [](std::string directive, const std::string& origin) {
        return origin.empty() ? directive : directive + " " + origin;
    };
    std::string policy =
        "default-src 'self'; script-src 'self'; style-src 'self'; worker-src 'self'; font-src "
        "'none'; "
        "object-src 'none'; frame-src 'none'; base-uri 'none'";
    policy += "; frame-ancestors " + std::string(ancestors);
    policy += "; form-action " + std::string(form_action);
    policy += "; " + with("img-src 'self' blob: data:", play);
    policy += "; " + with("media-src 'self' blob:", play);
    policy += "; connect-src 'self'";
    for (const auto& origin : connect) {
        policy += " " + origin;
    }
    return policy;
}

}  // namespace

result<std::string> origin_of(std::string_view url) {
    const auto bad = [&] {
        return fail(errc::invalid_argument, "bad_public_url",
                    "\"" + std::string(url) + "\" is not an http or https URL");
    };
    const auto scheme_end = url.find("://");
    const auto scheme = url.substr(0, scheme_end);
    if (scheme_end == url.npos || (scheme != "http" && scheme != "https")) {
        return bad();
    }
    const auto rest = url.substr(scheme_end + 3);
    const auto authority = rest.substr(0, rest.find('/'));
    if (authority.empty() || !std::ranges::all_of(authority, is_authority_char)) {
        return bad();
    }
    return std::string(scheme) + "://" + std::string(authority);
}

result<site> site::make(std::span<const page_file> files, const page_origins& origins) {
    site made;
    std::vector<std::string> connect;
    std::string play;
    for (const auto* url : {&origins.api, &origins.upload, &origins.play}) {
        if (url->empty()) {
            continue;
        }
        const auto origin = origin_of(*url);
        if (!origin) {
            return fail(origin.error());
        }
        if (std::ranges::find(connect, *origin) == connect.end()) {
            connect.push_back(*origin);
        }
        play = url == &origins.play ? *origin : play;
    }
    made.policy_ = make_policy("'none'", "'self'", connect, play);
    made.embed_policy_ = make_policy(
        "*", "'none'", play.empty() ? std::vector<std::string>() : std::vector{play}, play);
    for (const auto& f : files) {
        if (f.path == "/index.html" || f.path == "/embed.html") {
            auto& target = f.path == "/index.html" ? made.index_ : made.embed_;
            target = {std::string(f.identity), std::string(f.content_type)};
            continue;
        }
        made.assets_.emplace(f.path, file{std::string(f.content_type), f.identity, f.gzip,
                                          etag_of(f.identity, ""), etag_of(f.identity, "-gz")});
    }
    for (auto* page : {&made.index_, &made.embed_}) {
        if (page->text.empty()) {
            return fail(errc::not_found, "no_page", "the web page was not built in");
        }
        if (const auto at = page->text.find(play_base_mark); at != std::string::npos) {
            page->text.replace(at, play_base_mark.size(), escape_attribute(origins.play));
        }
    }
    return made;
}

site::file site::file_of(const page& p) {
    return {p.type, p.text, {}, etag_of(p.text, ""), {}};
}

site::file site::index() const {
    return file_of(index_);
}

site::file site::embed() const {
    return file_of(embed_);
}

const site::file* site::asset(std::string_view path) const {
    const auto found = assets_.find(path);
    return found == assets_.end() ? nullptr : &found->second;
}

}  // namespace vora::dashboard
