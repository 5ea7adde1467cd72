#pragma once
// A body whose bytes are in memory: they go to the socket from where they lie, without a copy.

#include "libs/net/http.hpp"

namespace vora::net {

class held_body : public body_source {
 public:
    // What could be sent now; empty: ask read(). Good until the loop goes on to something else.
    virtual std::string_view held() const = 0;
    // So many of these were sent: the next read goes on behind them.
    virtual void sent(std::size_t bytes) = 0;
};

}  // namespace vora::net
