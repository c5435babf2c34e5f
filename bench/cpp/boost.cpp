// Boost.Interprocess's side of the benchmarks: one function for each case.
//
//     boost FUNCTION HERE THERE COUNT [ARGUMENT...]
//
// HERE and THERE are the CPUs of the two processes, COUNT says how often the work is done. Prints
// the result as JSON: {"value": ..., "detail": ...}. A wrong message ends the program with an error.

#include <boost/interprocess/ipc/message_queue.hpp>
#include <boost/version.hpp>

#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace ipc = boost::interprocess;

constexpr uint64_t WARM_UP = 10;

// Seconds: a process whose partner has failed would wait for ever.
constexpr unsigned LIMIT = 100;

static uint64_t now() {
    timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return uint64_t(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

static void pin(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0) throw std::runtime_error("cannot be pinned");
}

// A new process that does this; it ends with the function.
static pid_t start(const std::function<void()> &work) {
    pid_t child = fork();
    if (child != 0) return child;
    alarm(LIMIT);
    try {
        work();
    } catch (const std::exception &error) {
        fprintf(stderr, "boost, partner: %s\n", error.what());
        _exit(1);
    }
    _exit(0);
}

static void finish(pid_t child) {
    int status = 0;
    if (waitpid(child, &status, 0) != child || status != 0)
        throw std::runtime_error("the partner failed");
}

// A queue without a name: the children inherit the mapping.
static std::unique_ptr<ipc::message_queue> queue(size_t size) {
    size_t capacity = size < 65536 ? 1000 : size < 1048576 ? 64 : 16;
    static int made = 0;
    std::string name = "brigade-bench-" + std::to_string(getpid()) + "-" + std::to_string(made++);
    auto queue = std::make_unique<ipc::message_queue>(ipc::create_only, name.c_str(), capacity, size);
    ipc::message_queue::remove(name.c_str());
    return queue;
}

// Messages: numbered, and checked to the last byte.

static uint8_t pattern(uint64_t number) { return uint8_t(number) ^ 0x5A; }

static void fill(std::vector<uint8_t> &bytes, uint64_t number) {
    memcpy(bytes.data(), &number, 8);
    memset(bytes.data() + 8, pattern(number), bytes.size() - 8);
}

static void check(const std::vector<uint8_t> &bytes, uint64_t number) {
    uint64_t found;
    memcpy(&found, bytes.data(), 8);
    uint8_t seen = 0;
    for (size_t index = 8; index < bytes.size(); index++) seen |= bytes[index] ^ pattern(number);
    if (found != number || seen != 0) throw std::runtime_error("a wrong message");
}

static void send(ipc::message_queue &queue, const std::vector<uint8_t> &bytes) {
    queue.send(bytes.data(), bytes.size(), 0);
}

static void receive(ipc::message_queue &queue, std::vector<uint8_t> &bytes) {
    ipc::message_queue::size_type length;
    unsigned priority;
    queue.receive(bytes.data(), bytes.size(), length, priority);
    if (length != bytes.size()) throw std::runtime_error("a message of another length");
}

struct Result {
    double value, detail;
};

static Result one_way(int here, int there, uint64_t count, size_t size) {
    auto messages = queue(size);
    pid_t partner = start([&] {
        pin(there);
        std::vector<uint8_t> bytes(size);
        for (uint64_t number = 0; number < count; number++) {
            fill(bytes, number);
            send(*messages, bytes);
        }
    });
    pin(here);
    std::vector<uint8_t> bytes(size);
    uint64_t warm_up = count / WARM_UP, begin = now();
    for (uint64_t number = 0; number < count; number++) {
        if (number == warm_up) begin = now();
        receive(*messages, bytes);
        check(bytes, number);
    }
    double taken = double(now() - begin);
    finish(partner);
    double messages_each = double(count - warm_up);
    return {size > 1024 ? messages_each * size / taken : messages_each * 1e3 / taken, NAN};
}

static Result round_trip(int here, int there, uint64_t count, size_t size, uint64_t silence) {
    auto away = queue(size), back = queue(size);
    pid_t partner = start([&] {
        pin(there);
        std::vector<uint8_t> bytes(size);
        for (uint64_t number = 0; number < count; number++) {
            receive(*away, bytes);
            send(*back, bytes);
        }
    });
    pin(here);
    std::vector<uint8_t> sent(size), received(size);
    std::vector<uint64_t> taken;
    for (uint64_t number = 0; number < count; number++) {
        fill(sent, number);
        for (uint64_t until = now() + silence; silence != 0 && now() < until;) {
        }
        uint64_t begin = now();
        send(*away, sent);
        receive(*back, received);
        taken.push_back(now() - begin);
        check(received, number);
    }
    finish(partner);
    taken.erase(taken.begin(), taken.begin() + taken.size() / WARM_UP);
    std::sort(taken.begin(), taken.end());
    auto at = [&](double share) { return taken[size_t((taken.size() - 1) * share + 0.5)] / 1e3; };
    return {at(0.5), at(0.99)};
}

// Two producers and two consumers of one queue.

struct Share {
    uint64_t count, sum, end;
};

static Share consume(ipc::message_queue &messages, int cpu) {
    pin(cpu);
    Share share = {};
    std::vector<uint8_t> bytes(64);
    for (;;) {
        receive(messages, bytes);
        uint64_t number;
        memcpy(&number, bytes.data(), 8);
        if (number == UINT64_MAX) break;
        check(bytes, number);
        share.count++;
        share.sum += number;
    }
    share.end = now();
    return share;
}

static void produce(ipc::message_queue &messages, int cpu, uint64_t start, uint64_t count) {
    pin(cpu);
    while (now() < start) {
    }
    std::vector<uint8_t> bytes(64);
    for (uint64_t number = 0; number < count; number++) {
        fill(bytes, number);
        send(messages, bytes);
    }
    fill(bytes, UINT64_MAX);
    send(messages, bytes);
}

static Result two_by_two(int here, int there, uint64_t count) {
    auto messages = queue(64);
    auto *other = static_cast<Share *>(mmap(nullptr, sizeof(Share), PROT_READ | PROT_WRITE,
                                            MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    if (other == MAP_FAILED) throw std::runtime_error("no memory");
    uint64_t begin = now() + 60'000'000;
    pid_t consumer = start([&] { *other = consume(*messages, there); });
    pid_t first = start([&] { produce(*messages, here, begin, count); });
    pid_t second = start([&] { produce(*messages, there, begin, count); });
    Share mine = consume(*messages, here);
    finish(consumer);
    finish(first);
    finish(second);
    uint64_t total = mine.count + other->count, sum = mine.sum + other->sum;
    if (total != 2 * count || sum != count * (count - 1)) throw std::runtime_error("lost messages");
    double taken = double(std::max(mine.end, other->end) - begin);
    return {total * 1e3 / taken, double(std::min(mine.count, other->count)) / double(total)};
}

// Makes a queue and drops it: microseconds.
static Result creation(int here, uint64_t count, size_t size) {
    pin(here);
    for (uint64_t number = 0; number < count / WARM_UP; number++) queue(size);
    uint64_t begin = now();
    for (uint64_t number = 0; number < count; number++) queue(size);
    return {double(now() - begin) / double(count) / 1e3, NAN};
}

int main(int arguments, char **texts) try {
    if (arguments == 2 && std::string(texts[1]) == "version") {
        printf("%d.%d.%d\n", BOOST_VERSION / 100000, BOOST_VERSION / 100 % 1000, BOOST_VERSION % 100);
        return 0;
    }
    alarm(LIMIT);
    std::string function = texts[1];
    std::vector<uint64_t> numbers;
    for (int index = 2; index < arguments; index++) numbers.push_back(strtoull(texts[index], nullptr, 10));
    int here = int(numbers.at(0)), there = int(numbers.at(1));
    uint64_t count = numbers.at(2);
    Result result = function == "one_way"      ? one_way(here, there, count, numbers.at(3))
                    : function == "creation"   ? creation(here, count, numbers.at(3))
                    : function == "round_trip" ? round_trip(here, there, count, numbers.at(3), numbers.at(4))
                                               : two_by_two(here, there, count);
    if (std::isnan(result.detail))
        printf("{\"value\": %.17g}\n", result.value);
    else
        printf("{\"value\": %.17g, \"detail\": %.17g}\n", result.value, result.detail);
    return 0;
} catch (const std::exception &error) {
    fprintf(stderr, "boost: %s\n", error.what());
    return 1;
}
