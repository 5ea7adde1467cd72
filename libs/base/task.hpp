#pragma once
// The coroutine type of all I/O code. Cheap to include: brings in neither sockets nor timers.

#include <boost/asio/awaitable.hpp>

namespace vora {

template <class T = void>
using task = boost::asio::awaitable<T>;

}  // namespace vora
