#include "services/metadata/handlers/strict_json.hpp"

#include <set>
#include <string>
#include <vector>

namespace vora::metadata {

namespace {

constexpr std::size_t depth_max = 16;

// Walks without building: says whether the text is what we take. Building comes after, of a text
// that is known to be small and shallow.
class checker final : public nlohmann::json_sax<nlohmann::json> {
 public:
    bool null() override { return inside(); }
    bool boolean(bool) override { return inside(); }
    bool number_integer(number_integer_t) override { return inside(); }
    bool number_unsigned(number_unsigned_t) override { return inside(); }
    bool number_float(number_float_t, const string_t&) override { return inside(); }
    bool string(string_t&) override { return inside(); }
    bool binary(binary_t&) override { return false; }
    bool start_object(std::size_t) override {
        keys_.emplace_back();
        return ++depth_ <= depth_max;
    }
    bool key(string_t& name) override { return keys_.back().insert(name).second; }
    bool end_object() override {
        keys_.pop_back();
        --depth_;
        return true;
    }
    bool start_array(std::size_t) override { return inside() && ++depth_ <= depth_max; }
    bool end_array() override {
        --depth_;
        return true;
    }
    bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception&) override {
        return false;
    }

 private:
    bool inside() const { return depth_ > 0; }  // the outermost value must be an object

    std::size_t depth_ = 0;
    std::vector<std::set<std::string>> keys_;
};

}  // namespace

std::optional<nlohmann::json> parse_object(std::string_view text) {
    checker check;
    if (!nlohmann::json::sax_parse(text, &check)) {
        return std::nullopt;
    }
    auto parsed = nlohmann::json::parse(text, nullptr, false);
    if (!parsed.is_object()) {
        return std::nullopt;
    }
    return parsed;
}

}  // namespace vora::metadata
