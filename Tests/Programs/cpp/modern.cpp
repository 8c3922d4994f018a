// C++20: threads that join and stop by themselves, barriers, latches, semaphores, atomics that
// wait, coroutines, ranges, concepts.
#include <algorithm>
#include <atomic>
#include <barrier>
#include <concepts>
#include <coroutine>
#include <future>
#include <iostream>
#include <latch>
#include <mutex>
#include <ranges>
#include <semaphore>
#include <span>
#include <stop_token>
#include <thread>
#include <vector>

template <typename T>
concept Number = std::integral<T> || std::floating_point<T>;

template <Number T> T sum(std::span<const T> values) {
    T total{};
    for (auto value : values) total += value;
    return total;
}

struct Counter {
    struct promise_type {
        int value = 0;
        Counter get_return_object() {
            return {std::coroutine_handle<promise_type>::from_promise(*this)};
        }
        std::suspend_always initial_suspend() noexcept { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        std::suspend_always yield_value(int next) { value = next; return {}; }
        void return_void() {}
        void unhandled_exception() {}
    };
    std::coroutine_handle<promise_type> handle;
};

Counter squares(int count) {
    for (int i = 0; i < count; i++) co_yield i * i;
}

int main() {
    std::vector<long> parts(4);
    std::barrier meeting(4);
    std::latch done(4);
    std::counting_semaphore<2> slots(2);
    std::atomic<int> inside{0}, most{0};
    {
        std::vector<std::jthread> workers;
        for (int i = 0; i < 4; i++) {
            workers.emplace_back([&, i] {
                slots.acquire();
                int now = ++inside;
                int seen = most.load();
                while (seen < now && !most.compare_exchange_weak(seen, now)) {}
                std::this_thread::sleep_for(std::chrono::milliseconds(2));
                --inside;
                slots.release();
                for (long n = i; n < 4000; n += 4) parts[i] += n;
                meeting.arrive_and_wait();
                done.count_down();
            });
        }
        done.wait();
    }
    std::cout << sum<long>(parts) << " at most two " << (most <= 2) << "\n";

    std::atomic<bool> isReady{false};
    std::jthread stopping([&](std::stop_token token) {
        isReady.wait(false);
        while (!token.stop_requested()) std::this_thread::yield();
    });
    isReady = true;
    isReady.notify_one();
    std::cout << "stop " << stopping.request_stop() << "\n";
    stopping.join();

    auto answer = std::async(std::launch::async, [] { return 6 * 7; });
    std::packaged_task<int(int)> half([](int x) { if (x % 2) throw x; return x / 2; });
    auto failure = half.get_future();
    half(7);
    try {
        failure.get();
    } catch (int x) {
        std::cout << answer.get() << " caught " << x << "\n";
    }

    auto counter = squares(5);
    while (counter.handle.resume(), !counter.handle.done()) {
        std::cout << counter.handle.promise().value << ' ';
    }
    counter.handle.destroy();
    auto even = [](int n) { return n % 2 == 0; };
    for (int n : std::views::iota(1, 20) | std::views::filter(even) | std::views::take(4)) {
        std::cout << n << ' ';
    }
    std::cout << (1.5 <=> 2.5 < 0) << "\n";
}
