#pragma once

namespace vora::event_engine {

// As ClickHouse answers its own errors.
int http_status(int code);

}  // namespace vora::event_engine
