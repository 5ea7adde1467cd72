#include "libs/base/signals.hpp"

#include <boost/asio/signal_set.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace vora {

task<int> next_signal(std::initializer_list<int> numbers) {
    boost::asio::signal_set set(co_await boost::asio::this_coro::executor);
    for (int number : numbers) {
        set.add(number);
    }
    co_return co_await set.async_wait(boost::asio::use_awaitable);
}

}  // namespace vora
