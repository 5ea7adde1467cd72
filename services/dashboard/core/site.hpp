#pragma once
// The files of the web page, as they are served: each with its type, its entity tag and, where it
// pays, a compressed form.

#include "libs/base/result.hpp"

#include <map>
#include <span>
#include <string>
#include <string_view>

namespace vora::dashboard {

// One file of the build. The bytes live as long as the program.
struct page_file {
    std::string_view path;  // "/assets/app-1A2B3C4D.js", "/index.html"
    std::string_view content_type;
    std::string_view identity;
    std::string_view gzip;  // empty: not worth it
};

// The public base URLs that differ from the page's own origin; empty = the page's own.
struct page_origins {
    std::string api;
    std::string upload;
    std::string play;
};

class site {
 public:
    struct file {
        std::string content_type;
        std::string_view identity;
        std::string_view gzip;
        std::string etag;       // with quotes
        std::string gzip_etag;  // with quotes
    };

    // invalid_argument ("bad_public_url") when a base URL is none; not_found ("no_page") when the
    // files hold no index.html or embed.html.
    static result<site> make(std::span<const page_file> files, const page_origins& origins);

    // The page itself, the same for every address of the application.
    file index() const;
    // The page with nothing but the player, for frames on other sites.
    file embed() const;
    // A file whose name carries a hash of its content; null when there is none.
    const file* asset(std::string_view path) const;
    // Content-Security-Policy of the page.
    const std::string& policy() const { return policy_; }
    // The same for the embed page: any site may frame it, and it needs nothing but playback.
    const std::string& embed_policy() const { return embed_policy_; }

 private:
    struct page {
        std::string text;
        std::string type;
    };
    static file file_of(const page& p);

    std::map<std::string, file, std::less<>> assets_;
    page index_;
    page embed_;
    std::string policy_;
    std::string embed_policy_;
};

// "https://host:port" of a base URL; invalid_argument ("bad_public_url").
result<std::string> origin_of(std::string_view url);

}  // namespace vora::dashboard
