#include <atomic>
#include <condition_variable>
#include <future>
#include <iostream>
#include <mutex>
#include <thread>
#include <vector>
int main() {
    std::atomic<long> total{0};
    std::mutex mutex; std::condition_variable ready; int turn = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++)
        threads.emplace_back([&, i] {
            for (int k = 0; k < 5000; k++) total.fetch_add(i);
            std::unique_lock lock(mutex);
            ready.wait(lock, [&] { return turn == i; });
            std::cout << "thread " << i << '\n';
            turn++; ready.notify_all();
        });
    for (auto &thread : threads) thread.join();
    auto future = std::async(std::launch::async, [] { long s = 0; for (int i = 0; i < 100000; i++) s += i ^ 5; return s; });
    std::promise<int> promise; auto value = promise.get_future();
    std::thread([&] { promise.set_value(9); }).join();
    std::cout << total << ' ' << future.get() << ' ' << value.get() << '\n';
    auto failing = std::async(std::launch::async, []() -> int { throw std::runtime_error("in a thread"); });
    try { failing.get(); } catch (const std::exception &e) { std::cout << e.what() << '\n'; }
}
