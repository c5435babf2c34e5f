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
import sys
import time

# The method with the least overhead, and the only one that needs no importable main module.
context = multiprocessing.get_context("fork")

WARM_UP = 10


def pin(cpu):
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


def lock_alone(here, _there, count):
    pin(here)
    lock = context.Lock()
    counter = context.RawValue("Q", 0)
    begin = time.monotonic_ns()
    for _ in range(count):
        with lock:
            counter.value += 1
    taken = time.monotonic_ns() - begin
    if counter.value != count:
        raise RuntimeError("lost updates")
    return {"value": taken / count}


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
    "lock_alone": lock_alone,
    "lock_contended": lock_contended,
    "value_contended": value_contended,
    "manager_contended": manager_contended,
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
