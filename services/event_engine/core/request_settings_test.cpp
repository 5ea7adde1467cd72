#include "services/event_engine/core/request_settings.hpp"

#include <gtest/gtest.h>

namespace vora::event_engine {
namespace {

int code_of(const std::string& name, const std::string& value) {
    const auto r = read_settings({{name, value}});
    return r ? 0 : r.error().code;
}

TEST(request_settings, takes_query_parameters_and_allowed_settings) {
    const auto r = read_settings({{"query", "SELECT 1"},
                                  {"param_id", "'; x"},
                                  {"readonly", "1"},
                                  {"database", "vora"},
                                  {"max_execution_time", "1.2"},
                                  {"insert_deduplication_token", "spool:1:2"},
                                  {"default_format", "JSON"}});
    ASSERT_TRUE(r);
    EXPECT_EQ(r->query, "SELECT 1");
    ASSERT_EQ(r->values.size(), 1U);
    EXPECT_EQ(r->values[0], (std::pair<std::string, std::string>("id", "'; x")));
    EXPECT_TRUE(r->read_only);
    EXPECT_EQ(r->settings.database, "vora");
    EXPECT_EQ(r->settings.execution_seconds_max, 2);
    EXPECT_EQ(r->settings.deduplication_token, "spool:1:2");
    EXPECT_EQ(r->default_format, "JSON");
}

TEST(request_settings, ignores_what_clients_send_about_themselves) {
    for (const auto* name : {"query_id", "session_id", "client_protocol_version",
                             "wait_end_of_query", "async_insert"}) {
        EXPECT_EQ(code_of(name, "';x"), 0) << name;
    }
}

TEST(request_settings, refuses_settings_that_are_not_allowed) {
    for (const auto* name : {"max_memory_usage", "allow_introspection_functions", "param_",
                             "param_a b", "readonly ", "max_execution_time, readonly", ""}) {
        EXPECT_EQ(code_of(name, "1"), 115) << name;
    }
}

TEST(request_settings, refuses_values_that_could_leave_their_place_in_the_text) {
    const std::vector<std::pair<std::string, std::string>> bad{
        {"database", "a`b"},
        {"database", ""},
        {"insert_deduplication_token", "a', readonly = '0"},
        {"insert_deduplication_token", "a\\"},
        {"insert_deduplication_token", std::string(257, 'a')},
        {"max_threads", "1, x = 2"},
        {"max_threads", ""},
        {"date_time_output_format", "iso'"},
        {"max_execution_time", "nan"},
        {"max_execution_time", "-1"},
        {"max_execution_time", "1 "},
        {"readonly", "x"},
        {"default_format", "JSON; DROP"}};
    for (const auto& [name, value] : bad) {
        EXPECT_EQ(code_of(name, value), 36) << name << "=" << value;
    }
}

TEST(request_settings, gives_every_statement_an_end) {
    EXPECT_EQ(read_settings({{"max_execution_time", "0"}})->settings.execution_seconds_max, 3600);
    EXPECT_EQ(read_settings({{"max_execution_time", "99999"}})->settings.execution_seconds_max,
              3600);
    EXPECT_EQ(read_settings({})->settings.execution_seconds_max, 60);
}

TEST(request_settings, sets_all_of_them_so_that_none_is_left_from_before) {
    const auto plain = set_statement({});
    EXPECT_NE(plain.find("insert_deduplication_token = ''"), std::string::npos);
    EXPECT_NE(plain.find("async_insert = 0"), std::string::npos);
    EXPECT_NE(plain.find("max_threads = 2"), std::string::npos);
    auto asked = read_settings({{"max_threads", "1"}, {"date_time_output_format", "iso"}});
    ASSERT_TRUE(asked);
    const auto text = set_statement(asked->settings);
    EXPECT_NE(text.find("max_threads = 1"), std::string::npos);
    EXPECT_NE(text.find("date_time_output_format = 'iso'"), std::string::npos);
    EXPECT_EQ(text.find("max_threads = 2"), std::string::npos);
}

}  // namespace
}  // namespace vora::event_engine
