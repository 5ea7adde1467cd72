#include "services/analytics/process/process.hpp"

int main(int argc, char** argv) {
    return vora::service::run(argc, argv, vora::analytics::make_program());
}
