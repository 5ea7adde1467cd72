#include "services/event_engine/core/http_status.hpp"

namespace vora::event_engine {

int http_status(int code) {
    switch (code) {
        case 6:    // CANNOT_PARSE_TEXT
        case 25:   // CANNOT_PARSE_ESCAPE_SEQUENCE
        case 26:   // CANNOT_PARSE_QUOTED_STRING
        case 27:   // CANNOT_PARSE_INPUT_ASSERTION_FAILED
        case 33:   // CANNOT_READ_ALL_DATA
        case 36:   // BAD_ARGUMENTS
        case 38:   // CANNOT_PARSE_DATE
        case 41:   // CANNOT_PARSE_DATETIME
        case 43:   // ILLEGAL_TYPE_OF_ARGUMENT
        case 53:   // TYPE_MISMATCH
        case 62:   // SYNTAX_ERROR
        case 72:   // CANNOT_PARSE_NUMBER
        case 117:  // INCORRECT_DATA
        case 354:  // ZLIB_INFLATE_FAILED
        case 456:  // UNKNOWN_QUERY_PARAMETER
        case 457:  // BAD_QUERY_PARAMETER
            return 400;
        case 516:  // AUTHENTICATION_FAILED
        case 497:  // ACCESS_DENIED
            return 403;
        case 46:   // UNKNOWN_FUNCTION
        case 47:   // UNKNOWN_IDENTIFIER
        case 50:   // UNKNOWN_TYPE
        case 60:   // UNKNOWN_TABLE
        case 73:   // UNKNOWN_FORMAT
        case 81:   // UNKNOWN_DATABASE
        case 115:  // UNKNOWN_SETTING
            return 404;
        case 307:  // TOO_MANY_BYTES
            return 413;
        case 48:  // NOT_IMPLEMENTED
            return 501;
        default:
            return 500;
    }
}

}  // namespace vora::event_engine
