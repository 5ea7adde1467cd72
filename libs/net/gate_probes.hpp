#pragma once
// Raw request heads that must be refused, each for its reason. Test data of gate_test and
// server_test.

#include <string>
#include <vector>

namespace vora::net {

struct probe {
    std::string name;
    std::string raw;
    int status;
    std::string reason;
};

inline std::vector<probe> request_line_probes() {
    const std::string tail = "\r\nHost: h\r\n\r\n";
    return {
        {"lower case method", "get / HTTP/1.1" + tail, 400, "bad_request_line"},
        {"mixed case method", "Get / HTTP/1.1" + tail, 400, "unknown_method"},
        {"unknown method", "BREW / HTTP/1.1" + tail, 400, "unknown_method"},
        {"TRACE", "TRACE / HTTP/1.1" + tail, 400, "unknown_method"},
        {"CONNECT", "CONNECT h:80 HTTP/1.1" + tail, 400, "unknown_method"},
        {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "unknown_method"},
        {"TLS hello", "\x16\x03\x01\x02", 400, "bad_request_line"},
        {"leading CRLF", "\r\nGET / HTTP/1.1" + tail, 400, "bad_request_line"},
        {"leading space", " GET / HTTP/1.1" + tail, 400, "bad_request_line"},
        {"no version", "GET /" + tail, 400, "bad_request_line"},
        {"HTTP/0.9", "GET /\r\n\r\n", 400, "bad_request_line"},
        {"two spaces", "GET  / HTTP/1.1" + tail, 400, "bad_version"},
        {"space in the target", "GET /a b HTTP/1.1" + tail, 400, "bad_version"},
        {"tab for a space", "GET\t/ HTTP/1.1" + tail, 400, "bad_request_line"},
        {"space after the version", "GET / HTTP/1.1 " + tail, 400, "bad_version"},
        {"HTTP/1.2", "GET / HTTP/1.2" + tail, 400, "bad_version"},
        {"HTTP/2.0", "GET / HTTP/2.0" + tail, 400, "bad_version"},
        {"HTTP/11", "GET / HTTP/11" + tail, 400, "bad_version"},
        {"lower case http", "GET / http/1.1" + tail, 400, "bad_version"},
        {"fragment", "GET /a#b HTTP/1.1" + tail, 400, "bad_target"},
        {"8-bit byte in the target", "GET /\xc3\xa9 HTTP/1.1" + tail, 400, "bad_target"},
        {"control byte in the target", "GET /a\x01 HTTP/1.1" + tail, 400, "bad_target"},
        {"NUL in the target", std::string("GET /a\0b HTTP/1.1", 17) + tail, 400, "bad_target"},
        {"DEL in the target", "GET /a\x7f HTTP/1.1" + tail, 400, "bad_target"},
        {"absolute form", "GET http://other/ HTTP/1.1" + tail, 400, "bad_target"},
        {"asterisk with GET", "GET * HTTP/1.1" + tail, 400, "bad_target"},
        {"no leading slash", "GET a/b HTTP/1.1" + tail, 400, "bad_target"},
        {"long target", "GET /" + std::string(9000, 'a') + " HTTP/1.1" + tail, 431,
         "target_too_large"},
    };
}

inline std::vector<probe> path_probes() {
    std::vector<probe> probes;
    const std::pair<const char*, const char*> paths[] = {
        {"dot dot", "/a/../b"},
        {"dot dot at the end", "/a/.."},
        {"dot", "/a/./b"},
        {"encoded dot dot", "/a/%2e%2E/b"},
        {"half encoded", "/a/.%2e/b"},
        {"encoded dot", "/%2e/b"},
        {"empty segment", "/a//b"},
        {"only slashes", "//"},
        {"backslash", "/a\\b"},
        {"encoded backslash", "/a%5cb"},
        {"encoded slash", "/a%2fb"},
        {"encoded slash, upper case", "/a%2Fb"},
        {"%00", "/a%00b"},
        {"encoded control byte", "/a%0d%0ab"},
        {"encoded DEL", "/a%7fb"},
        {"bad escape", "/a%zz"},
        {"short escape", "/a%4"},
        {"overlong UTF-8", "/a%c0%afb"},
        {"no UTF-8", "/a%ff"},
    };
    for (const auto& [name, path] : paths) {
        probes.push_back(
            {name, "GET " + std::string(path) + " HTTP/1.1\r\nHost: h\r\n\r\n", 400, "bad_path"});
    }
    probes.push_back(
        {"%00 in the query", "GET /a?b=%00 HTTP/1.1\r\nHost: h\r\n\r\n", 400, "bad_query"});
    probes.push_back(
        {"bad escape in the query", "GET /a?b=%g HTTP/1.1\r\nHost: h\r\n\r\n", 400, "bad_query"});
    return probes;
}

inline std::vector<probe> field_probes() {
    const auto with = [](const std::string& lines) {
        return "POST /a HTTP/1.1\r\nHost: h\r\n" + lines + "\r\n";
    };
    std::string many;
    for (int i = 0; i < 100; ++i) {
        many += "A" + std::to_string(i) + ": 1\r\n";
    }
    return {
        {"no Host", "GET / HTTP/1.1\r\n\r\n", 400, "bad_host"},
        {"empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 400, "bad_host"},
        {"two Hosts", with("Host: other\r\n"), 400, "duplicate_field"},
        {"two equal Hosts", with("host: h\r\n"), 400, "duplicate_field"},
        {"Host with a path", "GET / HTTP/1.1\r\nHost: h/a\r\n\r\n", 400, "bad_host"},
        {"Host with userinfo", "GET / HTTP/1.1\r\nHost: u@h\r\n\r\n", 400, "bad_host"},
        {"Host list", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400, "bad_host"},
        {"Host with a bad port", "GET / HTTP/1.1\r\nHost: h:99999\r\n\r\n", 400, "bad_host"},
        {"Host with an open bracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400, "bad_host"},
        {"bad Host on HTTP/1.0", "GET / HTTP/1.0\r\nHost: a b\r\n\r\n", 400, "bad_host"},
        {"obs-fold", with("A: b\r\n c\r\n"), 400, "obs_fold"},
        {"obs-fold with a tab", with("A: b\r\n\tc\r\n"), 400, "obs_fold"},
        {"first header line starts with a space", "GET / HTTP/1.1\r\n Host: h\r\n\r\n", 400,
         "obs_fold"},
        {"space before the colon", with("A : b\r\n"), 400, "bad_field"},
        {"tab before the colon", with("A\t: b\r\n"), 400, "bad_field"},
        {"space in a name", with("A B: c\r\n"), 400, "bad_field"},
        {"no colon", with("Nonsense\r\n"), 400, "bad_field"},
        {"empty name", with(": b\r\n"), 400, "bad_field"},
        {"8-bit name", with("\xc3\xa9: b\r\n"), 400, "bad_field"},
        {"NUL in a name", with(std::string("A\0: b\r\n", 7)), 400, "bad_field"},
        {"NUL in a value", with(std::string("A: b\0c\r\n", 8)), 400, "bad_field"},
        {"control byte in a value", with("A: b\x0b\r\n"), 400, "bad_field"},
        {"DEL in a value", with("A: \x7f\r\n"), 400, "bad_field"},
        {"bare LF after the request line", "GET / HTTP/1.1\nHost: h\n\n", 400, "bare_lf"},
        {"bare LF in a header", with("A: b\nC: d\r\n"), 400, "bare_lf"},
        {"bare LF ends the head", "GET / HTTP/1.1\r\nHost: h\r\n\n", 400, "bare_lf"},
        {"bare CR in a header", with("A: b\rC: d\r\n"), 400, "bare_cr"},
        {"CR CR LF", with("A: b\r\r\n"), 400, "bare_cr"},
        {"too many fields", with(many), 431, "too_many_fields"},
        {"one huge field", with("A: " + std::string(17'000, 'b') + "\r\n"), 431,
         "header_too_large"},
        {"endless request line", "GET /" + std::string(20'000, 'a'), 431, "header_too_large"},
        {"two Authorizations", with("Authorization: a\r\nauthorization: b\r\n"), 400,
         "duplicate_field"},
        {"two Content-Types", with("Content-Type: a/b\r\nContent-Type: a/c\r\n"), 400,
         "duplicate_field"},
        {"two Upload-Lengths", with("Upload-Length: 5\r\nUpload-Length: 6\r\n"), 400,
         "duplicate_field"},
        {"two Upload-Anythings", with("Upload-New: 5\r\nupload-new: 5\r\n"), 400,
         "duplicate_field"},
        {"two Tus-Resumables", with("Tus-Resumable: 1.0.0\r\nTus-Resumable: 0.2\r\n"), 400,
         "duplicate_field"},
        {"two method overrides",
         with("X-HTTP-Method-Override: PATCH\r\nX-HTTP-Method-Override: DELETE\r\n"), 400,
         "duplicate_field"},
        {"two Ranges", with("Range: bytes=0-1\r\nRange: bytes=2-3\r\n"), 400, "duplicate_field"},
        {"unknown expectation", with("Expect: 200-ok\r\n"), 400, "bad_expect"},
    };
}

inline std::vector<probe> framing_probes() {
    const auto with = [](const std::string& lines) {
        return "POST /a HTTP/1.1\r\nHost: h\r\n" + lines + "\r\n";
    };
    std::vector<probe> probes = {
        {"chunked on HTTP/1.0", "POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
         "bad_transfer_encoding"},
        {"chunked and a length", with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), 400,
         "ambiguous_length"},
        {"a length and chunked", with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400,
         "ambiguous_length"},
        {"chunked twice", with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400,
         "duplicate_field"},
        {"two lengths", with("Content-Length: 5\r\nContent-Length: 6\r\n"), 400, "duplicate_field"},
        {"two equal lengths", with("Content-Length: 5\r\nContent-Length: 5\r\n"), 400,
         "duplicate_field"},
        {"tab before chunked", with("Transfer-Encoding:\tchunked\r\n"), 400, "bad_field"},
        {"vertical tab after chunked", with("Transfer-Encoding: chunked\x0b\r\n"), 400,
         "bad_field"},
    };
    for (const char* coding :
         {"xchunked", "chunked, identity", "identity, chunked", "gzip, chunked", "identity",
          "chunked, chunked", "\"chunked\"", "chunked;q=1", "chunke", "", ",chunked", "gzip"}) {
        probes.push_back({"transfer coding '" + std::string(coding) + "'",
                          with("Transfer-Encoding: " + std::string(coding) + "\r\n"), 400,
                          "bad_transfer_encoding"});
    }
    for (const char* length : {"-1", "+5", "5, 5", "0x5", "5 5", "05", "", "5.0", "1e3",
                               "9007199254740992", "99999999999999999999", "five"}) {
        probes.push_back({"length '" + std::string(length) + "'",
                          with("Content-Length: " + std::string(length) + "\r\n"), 400,
                          "bad_content_length"});
    }
    return probes;
}

inline std::vector<probe> all_probes() {
    std::vector<probe> all;
    for (auto* list : {request_line_probes, path_probes, field_probes, framing_probes}) {
        for (auto& p : list()) {
            all.push_back(std::move(p));
        }
    }
    return all;
}

}  // namespace vora::net
