#include "libs/blob/s3/s3_xml.hpp"

#include "libs/base/encoding.hpp"

#include <pugixml.hpp>

namespace vora::blob {

namespace {

std::unexpected<error> bad_xml(std::string what) {
    return fail(errc::unavailable, "storage_bad_answer", "the store's XML: " + std::move(what));
}

// pugixml's tree has no recursion in building or freeing, and takes no entity from the document.
class document {
 public:
    explicit document(std::string_view xml) {
        ok_ = xml.size() <= s3_xml_bytes_max &&
              tree_.load_buffer(xml.data(), xml.size(), pugi::parse_minimal | pugi::parse_escapes,
                                pugi::encoding_utf8);
    }
    // Null when this is not a document with that root.
    pugi::xml_node root(const char* name) const {
        return ok_ ? tree_.child(name) : pugi::xml_node();
    }

 private:
    pugi::xml_document tree_;
    bool ok_ = false;
};

std::string_view text_of(pugi::xml_node node, const char* name) {
    return node.child_value(name);
}

result<std::uint64_t> number_of(pugi::xml_node node, const char* name) {
    auto n = parse_uint(text_of(node, name));
    if (!n) {
        return bad_xml(std::string("no number in ") + name);
    }
    return n;
}

bool is_etag(std::string_view etag) {
    return etag.size() > 2 && etag.size() <= 256 && etag.starts_with('"') && etag.ends_with('"');
}

// Some stores leave the quotes out in bodies.
std::string quoted(std::string_view etag) {
    if (!etag.empty() && !etag.starts_with('"')) {
        return '"' + std::string(etag) + '"';
    }
    return std::string(etag);
}

result<object_info> parse_object(pugi::xml_node node) {
    object_info o;
    o.key = text_of(node, "Key");
    o.etag = quoted(text_of(node, "ETag"));
    const auto size = number_of(node, "Size");
    const auto modified = from_rfc3339(text_of(node, "LastModified"));
    if (o.key.empty() || !is_etag(o.etag) || !size || !modified) {
        return bad_xml("an object without key, etag, size or time");
    }
    o.size_bytes = *size;
    o.modified = *modified;
    return o;
}

// Four bytes in base64, or nothing.
std::string checksum(std::string_view text) {
    const auto bytes = base64_decode(text);
    return bytes && bytes->size() == 4 && base64_encode(*bytes) == text ? std::string(text) : "";
}

}  // namespace

result<s3_page> parse_list_objects(std::string_view xml) {
    const document doc(xml);
    const auto root = doc.root("ListBucketResult");
    if (!root) {
        return bad_xml("no ListBucketResult");
    }
    s3_page page;
    page.truncated = text_of(root, "IsTruncated") == "true";
    for (const auto node : root.children("Contents")) {
        auto o = parse_object(node);
        if (!o) {
            return fail(o.error());
        }
        if (!page.objects.empty() && o->key <= page.objects.back().key) {
            return bad_xml("keys out of order");
        }
        page.objects.push_back(std::move(*o));
    }
    return page;
}

result<s3_parts_page> parse_list_parts(std::string_view xml) {
    const document doc(xml);
    const auto root = doc.root("ListPartsResult");
    if (!root) {
        return bad_xml("no ListPartsResult");
    }
    s3_parts_page page;
    page.truncated = text_of(root, "IsTruncated") == "true";
    for (const auto node : root.children("Part")) {
        const auto number = number_of(node, "PartNumber");
        const auto size = number_of(node, "Size");
        part_info part{0, size.value_or(0), quoted(text_of(node, "ETag")),
                       checksum(text_of(node, "ChecksumCRC32C"))};
        if (!number || !size || *number < 1 || *number > 10'000 || !is_etag(part.etag)) {
            return bad_xml("a part without number, etag or size");
        }
        part.number = static_cast<std::uint32_t>(*number);
        if (!page.parts.empty() && part.number <= page.parts.back().number) {
            return bad_xml("parts out of order");
        }
        page.parts.push_back(std::move(part));
    }
    if (page.truncated) {
        if (page.parts.empty()) {
            return bad_xml("an empty page that is not the last");
        }
        page.next_marker = page.parts.back().number;
    }
    return page;
}

result<std::string> parse_begin_multipart(std::string_view xml) {
    const document doc(xml);
    const auto id = text_of(doc.root("InitiateMultipartUploadResult"), "UploadId");
    if (id.empty() || id.size() > 1024) {
        return bad_xml("no UploadId");
    }
    return std::string(id);
}

result<std::string> parse_complete_multipart(std::string_view xml) {
    const document doc(xml);
    auto etag = quoted(text_of(doc.root("CompleteMultipartUploadResult"), "ETag"));
    if (!is_etag(etag)) {
        return bad_xml("no ETag");
    }
    return etag;
}

result<std::string> parse_removed(std::string_view xml) {
    const document doc(xml);
    const auto root = doc.root("DeleteResult");
    if (!root) {
        return bad_xml("no DeleteResult");
    }
    const auto failed = root.child("Error");
    if (!failed) {
        return std::string();
    }
    const auto code = text_of(failed, "Code");
    return code.empty() ? std::string("unknown") : std::string(code.substr(0, 64));
}

std::string s3_error_code(std::string_view xml) {
    const document doc(xml);
    return std::string(text_of(doc.root("Error"), "Code").substr(0, 64));
}

std::string complete_multipart_xml(const std::vector<part_info>& parts) {
    std::string xml = "<CompleteMultipartUpload>";
    for (const auto& part : parts) {
        // An etag of ours went through is_etag or came from a header; what has a special meaning in
        // XML is written as a reference all the same.
        std::string etag;
        for (const char c : part.etag) {
            etag += c == '"'   ? "&quot;"
                    : c == '<' ? "&lt;"
                    : c == '&' ? "&amp;"
                               : std::string(1, c);
        }
        xml += "<Part><PartNumber>" + std::to_string(part.number) + "</PartNumber><ETag>" + etag +
               "</ETag>";
        if (!part.checksum.empty()) {
            xml += "<ChecksumCRC32C>" + part.checksum + "</ChecksumCRC32C>";
        }
        xml += "</Part>";
    }
    return xml + "</CompleteMultipartUpload>";
}

// Keys are made of characters that mean nothing in XML.
std::string remove_xml(const std::vector<object_info>& objects) {
    std::string xml = "<Delete><Quiet>true</Quiet>";
    for (const auto& o : objects) {
        xml += "<Object><Key>" + o.key + "</Key></Object>";
    }
    return xml + "</Delete>";
}

}  // namespace vora::blob
