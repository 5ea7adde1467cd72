# Every third-party library is found here and nowhere else. Modules link dep::NAME; layers.json says
# which module may link which.
find_package(Threads REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS headers)
find_package(spdlog REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(prometheus-cpp REQUIRED CONFIG)
find_package(SQLite3 REQUIRED)
find_package(SQLiteCpp REQUIRED)
find_package(CLI11 REQUIRED)
find_package(GTest REQUIRED)
find_package(simdjson REQUIRED)
find_package(ZLIB REQUIRED)
find_package(Protobuf REQUIRED)
find_package(gRPC REQUIRED CONFIG)

function(vora_dependency name)
  add_library(dep_${name} INTERFACE)
  add_library(dep::${name} ALIAS dep_${name})
  target_link_libraries(dep_${name} INTERFACE ${ARGN})
endfunction()

vora_dependency(threads Threads::Threads)
vora_dependency(openssl OpenSSL::Crypto)
vora_dependency(tls OpenSSL::SSL OpenSSL::Crypto)  # client side only: TLS of the platform ends at the edge
# Asio is compiled once (libs/base/asio_impl.cpp).
vora_dependency(asio Boost::headers Threads::Threads)
target_compile_definitions(dep_asio INTERFACE BOOST_ASIO_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED)
vora_dependency(spdlog spdlog::spdlog)
vora_dependency(fmt fmt::fmt)
vora_dependency(json nlohmann_json::nlohmann_json)
vora_dependency(toml tomlplusplus::tomlplusplus)
vora_dependency(prometheus prometheus-cpp::core)
vora_dependency(sqlite SQLiteCpp sqlite3 ${CMAKE_DL_LIBS})
vora_dependency(cli11 CLI11::CLI11)
vora_dependency(gtest GTest::gtest GTest::gtest_main)
vora_dependency(simdjson simdjson::simdjson)  # event ingest only
vora_dependency(protobuf protobuf::libprotobuf)
vora_dependency(grpc gRPC::grpc++ gRPC::grpc++_reflection protobuf::libprotobuf)
vora_dependency(dl ${CMAKE_DL_LIBS})
vora_dependency(zlib ZLIB::ZLIB)
if(VORA_REAL_SYSTEMS)
  find_package(pugixml REQUIRED)
  vora_dependency(pugixml pugixml::pugixml)  # answers of the object store
endif()

if(VORA_REAL_SYSTEMS)
  find_library(VORA_PQXX pqxx REQUIRED)
  find_package(PostgreSQL REQUIRED)
  vora_dependency(pqxx ${VORA_PQXX} PostgreSQL::PostgreSQL)  # metadata's repository only
endif()

if(VORA_REAL_SYSTEMS)
  find_library(VORA_RDKAFKA rdkafka REQUIRED)
  vora_dependency(rdkafka ${VORA_RDKAFKA})  # the shared spill of analytics only
endif()
