"""Python's side of the benchmarks: one function for each case.

    python3 peers.py FUNCTION HERE THERE COUNT [ARGUMENT...]

HERE and THERE are the CPUs of the two processes. COUNT says how often the work is done or, where
two processes contend, for how many milliseconds. Prints the result as JSON: {"value": ...,
"detail": ...}. A wrong message or count ends the program with an error.
"""

import concurrent.futures
import hashlib
import json
import multiprocessing
import os
import signal
import sys
import time
from multiprocessing import shared_memory

# The method with the least overhead, and the only one that needs no importable main module.
context = multiprocessing.get_context("fork")

WARM_UP = 10

# Seconds: a process whose partner has failed would wait for ever.
LIMIT = 100


def pin(cpu):
    signal.alarm(LIMIT)
    os.sched_setaffinity(0, {cpu})


def finish(process):
    process.join()
    if process.exitcode != 0:
        raise RuntimeError(f"the partner ended with {process.exitcode}")


def start(function, *arguments):
    process = context.Process(target=function, args=arguments)
    process.start()
    return process


# Messages.


def bodies(size):
    return [bytes([(number ^ 0x5A) & 0xFF]) * (size - 8) for number in range(256)]


def message(number, body):
    return number.to_bytes(8, "little") + body[number & 0xFF]


def queue_ends(size):
    capacity = 1000 if size < 65536 else 64 if size < 1048576 else 16
    there, back = context.Queue(capacity), context.Queue(capacity)
    return (there.put, back.get), (back.put, there.get)


def pipe_ends(send, receive):
    here, there = context.Pipe()
    return (
        (getattr(here, send), getattr(here, receive)),
        (getattr(there, send), getattr(there, receive)),
    )


def ends(kind, size):
    if kind == "queue":
        return queue_ends(size)
    if kind == "pipe_bytes":
        return pipe_ends("send_bytes", "recv_bytes")
    return pipe_ends("send", "recv")


def produce(cpu, send, count, size):
    pin(cpu)
    body = bodies(size)
    for number in range(count):
        send(message(number, body))


def one_way(kind, here, there, count, size):
    (_, receive), (partners_send, _) = ends(kind, size)
    process = start(produce, there, partners_send, count, size)
    pin(here)
    body = bodies(size)
    warm_up = count // WARM_UP
    begin = time.monotonic_ns()
    for number in range(count):
        if number == warm_up:
            begin = time.monotonic_ns()
        if receive() != message(number, body):
            raise RuntimeError(f"message {number} is wrong")
    taken = time.monotonic_ns() - begin
    finish(process)
    if size >= 65536:
        return {"value": (count - warm_up) * size / taken}
    return {"value": (count - warm_up) * 1e3 / taken}


def echo(cpu, send, receive, count):
    pin(cpu)
    for _ in range(count):
        send(receive())


def round_trip(kind, here, there, count, size, silence):
    (send, receive), (partners_send, partners_receive) = ends(kind, size)
    process = start(echo, there, partners_send, partners_receive, count)
    pin(here)
    body = bodies(size)
    taken = []
    for number in range(count):
        sent = message(number, body)
        until = time.monotonic_ns() + silence
        while silence and time.monotonic_ns() < until:
            pass
        begin = time.monotonic_ns()
        send(sent)
        received = receive()
        taken.append(time.monotonic_ns() - begin)
        if received != sent:
            raise RuntimeError(f"message {number} is wrong")
    finish(process)
    return percentiles(taken)


def percentiles(nanoseconds):
    measured = sorted(nanoseconds[len(nanoseconds) // WARM_UP :])

    def at(share):
        return measured[round((len(measured) - 1) * share)] / 1e3

    return {"value": at(0.5), "detail": at(0.99)}


# Locks and counters.


def think():
    value = 3
    value = value * 5 & 0xFFFF


def alone(lock, here, count):
    pin(here)
    counter = context.RawValue("Q", 0)
    begin = time.monotonic_ns()
    for _ in range(count):
        with lock:
            counter.value += 1
    taken = time.monotonic_ns() - begin
    if counter.value != count:
        raise RuntimeError("lost updates")
    return {"value": taken / count}


def lock_alone(here, _there, count):
    return alone(context.Lock(), here, count)


def rlock_alone(here, _there, count):
    return alone(context.RLock(), here, count)


def semaphore_alone(here, _there, count):
    return alone(context.Semaphore(1), here, count)


def add_under(lock, counter, pause):
    with lock:
        counter.value += 1
    if pause:
        think()


def add_value(value):
    with value.get_lock():
        value.value += 1


def contender(cpu, barrier, milliseconds, operation, *arguments):
    """Repeats the operation for that long, and returns how often that was."""
    pin(cpu)
    barrier.wait()
    stop = time.monotonic_ns() + milliseconds * 1_000_000
    count = 0
    while time.monotonic_ns() < stop:
        for _ in range(8):
            operation(*arguments)
        count += 8
    return count


def partner(answer, *arguments):
    answer.value = contender(*arguments)


def contended(here, there, milliseconds, read, operation, *arguments):
    """Two processes repeat the operation: millions in a second, and the smaller share."""
    barrier, answer = context.Barrier(2), context.RawValue("Q", 0)
    process = start(partner, answer, there, barrier, milliseconds, operation, *arguments)
    mine = contender(here, barrier, milliseconds, operation, *arguments)
    finish(process)
    total = mine + answer.value
    if read() != total:
        raise RuntimeError(f"{read()} counted instead of {total}")
    return {"value": total / milliseconds / 1e3, "detail": min(mine, answer.value) / total}


def lock_contended(here, there, milliseconds, pause):
    lock, counter = context.Lock(), context.RawValue("Q", 0)
    return contended(
        here, there, milliseconds, lambda: counter.value, add_under, lock, counter, pause
    )


def value_contended(here, there, milliseconds):
    value = context.Value("Q", 0)
    return contended(here, there, milliseconds, lambda: value.value, add_value, value)


def manager_contended(here, there, milliseconds):
    with context.Manager() as manager:
        counter, lock = manager.Value("Q", 0), manager.Lock()
        return contended(
            here, there, milliseconds, lambda: counter.value, add_under, lock, counter, 0
        )


# Letting the other side go on.


def hand_over(cpu, function, count):
    pin(cpu)
    for turn in range(count):
        function(turn)


def rounds(here, there, count, over, back, silence=0):
    process = start(hand_over, there, back, count)
    pin(here)
    taken = []
    for turn in range(count):
        until = time.monotonic_ns() + silence
        while silence and time.monotonic_ns() < until:
            pass
        begin = time.monotonic_ns()
        over(turn)
        taken.append(time.monotonic_ns() - begin)
    finish(process)
    return taken


def condition(here, there, count, silence):
    shared, turn = context.Condition(), context.RawValue("Q", 0)

    def over(number):
        with shared:
            turn.value = 2 * number + 1
            shared.notify()
            shared.wait_for(lambda: turn.value == 2 * number + 2)

    def back(number):
        with shared:
            shared.wait_for(lambda: turn.value == 2 * number + 1)
            turn.value = 2 * number + 2
            shared.notify()

    return percentiles(rounds(here, there, count, over, back, silence))


def event(here, there, count, silence):
    away, home = context.Event(), context.Event()

    def over(_number):
        away.set()
        home.wait()
        home.clear()

    def back(_number):
        away.wait()
        away.clear()
        home.set()

    return percentiles(rounds(here, there, count, over, back, silence))


def semaphore_pair(here, there, count, silence):
    away, home = context.Semaphore(0), context.Semaphore(0)

    def over(_number):
        away.release()
        home.acquire()

    def back(_number):
        away.acquire()
        home.release()

    return percentiles(rounds(here, there, count, over, back, silence))


def barrier(here, there, count):
    both = context.Barrier(2)

    def wait(_number):
        both.wait()

    begin = time.monotonic_ns()
    rounds(here, there, count, wait, wait)
    return {"value": count * 1e3 / (time.monotonic_ns() - begin)}


# Two producers and two consumers of one queue.


def put_all(cpu, queue, count):
    pin(cpu)
    body = bodies(64)
    for number in range(count):
        queue.put(message(number, body))
    queue.put(None)


def get_all(cpu, queue):
    pin(cpu)
    body = bodies(64)
    count, total = 0, 0
    while (received := queue.get()) is not None:
        number = int.from_bytes(received[:8], "little")
        if received != message(number, body):
            raise RuntimeError(f"message {number} is wrong")
        count, total = count + 1, total + number
    return count, total


def other_consumer(cpu, queue, answer):
    answer[0], answer[1] = get_all(cpu, queue)


def two_by_two(here, there, count):
    queue, answer = context.Queue(1000), context.RawArray("Q", 2)
    begin = time.monotonic_ns()
    processes = [
        start(other_consumer, there, queue, answer),
        start(put_all, here, queue, count),
        start(put_all, there, queue, count),
    ]
    mine, total = get_all(here, queue)
    for process in processes:
        finish(process)
    taken = time.monotonic_ns() - begin
    if mine + answer[0] != 2 * count or total + answer[1] != count * (count - 1):
        raise RuntimeError("lost messages")
    return {"value": 2 * count * 1e3 / taken, "detail": min(mine, answer[0]) / (2 * count)}


# Shared data.

LENGTH = 1024


def get_each(here, count, elements):
    pin(here)
    for index in range(LENGTH):
        elements[index] = index
    begin = time.monotonic_ns()
    for number in range(count):
        index = number % LENGTH
        if elements[index] != index:
            raise RuntimeError(f"a wrong number at {index}")
    return {"value": (time.monotonic_ns() - begin) / count}


def set_each(here, count, elements):
    pin(here)
    begin = time.monotonic_ns()
    for number in range(count):
        index = number % LENGTH
        elements[index] = index
    taken = time.monotonic_ns() - begin
    for index in range(min(count, LENGTH)):
        if elements[index] != index:
            raise RuntimeError(f"a wrong number at {index}")
    return {"value": taken / count}


def in_raw_array(operation):
    return lambda here, _there, count: operation(here, count, context.RawArray("Q", LENGTH))


def in_array(operation):
    return lambda here, _there, count: operation(here, count, context.Array("Q", LENGTH))


def in_shareable_list(operation):
    def run(here, _there, count):
        elements = shared_memory.ShareableList([0] * LENGTH)
        try:
            return operation(here, count, elements)
        finally:
            elements.shm.close()
            elements.shm.unlink()

    return run


def in_manager_list(operation):
    def run(here, _there, count):
        with context.Manager() as manager:
            return operation(here, count, manager.list([0] * LENGTH))

    return run


def in_manager_dict(operation):
    def run(here, _there, count):
        with context.Manager() as manager:
            return operation(here, count, manager.dict())

    return run


# Making an object and letting it go.


def creation(make):
    def run(here, _there, count):
        pin(here)
        for _ in range(count // WARM_UP):
            make()
        begin = time.monotonic_ns()
        for _ in range(count):
            make()
        return {"value": (time.monotonic_ns() - begin) / count / 1e3}

    return run


def make_array():
    context.RawArray("Q", 512)[0] = 1


def make_shared_memory():
    memory = shared_memory.SharedMemory(create=True, size=4096)
    memory.buf[0] = 1
    memory.close()
    memory.unlink()


# Pools.


def increment(number):
    return number + 1


def check_results(results, count):
    if list(results) != list(range(1, count + 1)):
        raise RuntimeError("wrong results")


def executor(workers):
    return concurrent.futures.ProcessPoolExecutor(workers, mp_context=context)


def executor_submit(_here, _there, count, workers):
    with executor(workers) as pool:
        check_results(pool.map(increment, range(workers)), workers)
        begin = time.monotonic_ns()
        futures = [pool.submit(increment, number) for number in range(count)]
        results = [future.result() for future in futures]
        taken = time.monotonic_ns() - begin
        check_results(results, count)
        return {"value": count * 1e3 / taken}


def executor_map(_here, _there, count, workers, chunk):
    with executor(workers) as pool:
        check_results(pool.map(increment, range(workers)), workers)
        begin = time.monotonic_ns()
        results = list(pool.map(increment, range(count), chunksize=chunk))
        taken = time.monotonic_ns() - begin
        check_results(results, count)
        return {"value": count * 1e3 / taken}


def executor_round_trip(_here, _there, count, workers):
    taken = []
    with executor(workers) as pool:
        for number in range(count):
            begin = time.monotonic_ns()
            result = pool.submit(increment, number).result()
            taken.append(time.monotonic_ns() - begin)
            if result != number + 1:
                raise RuntimeError("wrong result")
    return percentiles(taken)


def pool_submit(_here, _there, count, workers):
    with context.Pool(workers) as pool:
        check_results(pool.map(increment, range(workers)), workers)
        begin = time.monotonic_ns()
        pending = [pool.apply_async(increment, (number,)) for number in range(count)]
        results = [result.get() for result in pending]
        taken = time.monotonic_ns() - begin
        check_results(results, count)
        return {"value": count * 1e3 / taken}


def pool_map(_here, _there, count, workers, chunk):
    with context.Pool(workers) as pool:
        check_results(pool.map(increment, range(workers)), workers)
        begin = time.monotonic_ns()
        results = pool.map(increment, range(count), chunksize=chunk)
        taken = time.monotonic_ns() - begin
        check_results(results, count)
        return {"value": count * 1e3 / taken}


def pool_round_trip(_here, _there, count, workers):
    taken = []
    with context.Pool(workers) as pool:
        for number in range(count):
            begin = time.monotonic_ns()
            result = pool.apply(increment, (number,))
            taken.append(time.monotonic_ns() - begin)
            if result != number + 1:
                raise RuntimeError("wrong result")
    return percentiles(taken)


# The six passwords of the notes, hashed over and over.

PASSWORDS = ["pass", "passwd", "MyPassw", "MyPasswd123", "p", "a"]


def stretch(password, rounds):
    digest = password.encode()
    for _ in range(rounds):
        digest = hashlib.sha512(digest).hexdigest().encode()
    return digest.decode()


def sha512(_here, _there, count, workers):
    begin = time.monotonic_ns()
    with executor(workers) as pool:
        digests = list(pool.map(stretch, PASSWORDS, [count] * len(PASSWORDS)))
    taken = time.monotonic_ns() - begin
    if digests[0] != stretch(PASSWORDS[0], count):
        raise RuntimeError("wrong digest")
    return {"value": taken / 1e9}


FUNCTIONS = {
    "one_way_queue": lambda *numbers: one_way("queue", *numbers),
    "one_way_pipe_bytes": lambda *numbers: one_way("pipe_bytes", *numbers),
    "one_way_pipe_objects": lambda *numbers: one_way("pipe_objects", *numbers),
    "round_trip_queue": lambda *numbers: round_trip("queue", *numbers),
    "round_trip_pipe_bytes": lambda *numbers: round_trip("pipe_bytes", *numbers),
    "two_by_two": two_by_two,
    "lock_alone": lock_alone,
    "rlock_alone": rlock_alone,
    "semaphore_alone": semaphore_alone,
    "lock_contended": lock_contended,
    "value_contended": value_contended,
    "manager_contended": manager_contended,
    "condition": condition,
    "event": event,
    "semaphore_pair": semaphore_pair,
    "barrier": barrier,
    "raw_array_get": in_raw_array(get_each),
    "array_get": in_array(get_each),
    "shareable_list_get": in_shareable_list(get_each),
    "manager_list_get": in_manager_list(get_each),
    "raw_array_set": in_raw_array(set_each),
    "array_set": in_array(set_each),
    "shareable_list_set": in_shareable_list(set_each),
    "manager_list_set": in_manager_list(set_each),
    "manager_dict_get": in_manager_dict(get_each),
    "manager_dict_set": in_manager_dict(set_each),
    "create_lock": creation(context.Lock),
    "create_value": creation(lambda: context.Value("Q", 0)),
    "create_pipe": creation(context.Pipe),
    "create_queue": creation(lambda: context.Queue(16)),
    "create_array": creation(make_array),
    "create_shared_memory": creation(make_shared_memory),
    "executor_submit": executor_submit,
    "executor_map": executor_map,
    "executor_round_trip": executor_round_trip,
    "pool_submit": pool_submit,
    "pool_map": pool_map,
    "pool_round_trip": pool_round_trip,
    "sha512": sha512,
}

if __name__ == "__main__":
    print(json.dumps(FUNCTIONS[sys.argv[1]](*map(int, sys.argv[2:]))))
