#include "services/metadata/process/process.hpp"

int main(int argc, char** argv) {
    return vora::service::run(argc, argv, vora::metadata::make_program());
}
