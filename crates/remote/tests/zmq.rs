//! The ZeroMQ patterns over `ipc://` and `tcp://`, their bounds, and what a foreign peer may send.
#![cfg(feature = "zmq")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use brigade_codec::{DecodeError, EncodeError};
use brigade_remote::zmq::{
    Dealer, Options, Publish, Pull, Push, RecvError, RecvTimeoutError, Reply, Request, Route,
    Router, SendError, SendTimeoutError, Subscribe, TryRecvError, TrySendError,
};
use brigade_sys::time::Deadline;
use brigade_sys::wait::{Waitable, wait};
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(20);

/// An endpoint of each kind to bind, and the directory that one of them needs.
fn endpoints() -> (TempDir, [String; 2]) {
    let directory = tempfile::tempdir().unwrap();
    let ipc = format!("ipc://{}/socket", directory.path().display());
    (directory, [ipc, "tcp://127.0.0.1:*".to_owned()])
}

#[test]
fn work_is_dealt_out_and_results_are_collected() {
    let (_directory, endpoints) = endpoints();
    for endpoint in &endpoints {
        let feeder = Push::<u64>::new().unwrap();
        let jobs = feeder.bind(endpoint).unwrap();
        let collector = Pull::<(usize, u64)>::new().unwrap();
        let results = collector.bind("tcp://127.0.0.1:*").unwrap();
        const COUNT: u64 = 3000;
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            for worker in 0..3 {
                let (jobs, results, done) = (&jobs, &results, &done);
                scope.spawn(move || {
                    let pull = Pull::<u64>::new().unwrap();
                    pull.connect(jobs).unwrap();
                    let push = Push::<(usize, u64)>::new().unwrap();
                    push.connect(results).unwrap();
                    while !done.load(Relaxed) {
                        if let Ok(number) = pull.recv_timeout(SHORT) {
                            push.send(&(worker, number * 2)).unwrap();
                        }
                    }
                });
            }
            (0..COUNT).for_each(|number| feeder.send_timeout(&number, SOON).unwrap());
            let mut answers: Vec<u64> =
                (0..COUNT).map(|_| collector.recv_timeout(SOON).unwrap().1).collect();
            answers.sort_unstable();
            done.store(true, Relaxed);
            assert!(answers.into_iter().eq((0..COUNT).map(|number| number * 2)));
        });
    }
}

#[test]
fn a_question_gets_its_answer() {
    let (_directory, endpoints) = endpoints();
    for endpoint in &endpoints {
        let reply = Reply::<String, usize>::new().unwrap();
        let endpoint = reply.bind(endpoint).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                let request = Request::<String, usize>::new().unwrap();
                request.connect(&endpoint).unwrap();
                for text in ["", "one", "twelve chars"] {
                    request.send_timeout(&text.to_owned(), SOON).unwrap();
                    assert_eq!(request.recv_timeout(SOON).unwrap(), text.len());
                }
            });
            for _ in 0..3 {
                let question = reply.recv_timeout(SOON).unwrap();
                reply.send(&question.len()).unwrap();
            }
        });
    }
}

#[test]
fn who_speaks_out_of_turn_is_told_so() {
    let reply = Reply::<u8, u8>::new().unwrap();
    let endpoint = reply.bind("tcp://127.0.0.1:*").unwrap();
    assert!(matches!(reply.send(&1), Err(SendError::OutOfTurn)));
    let request = Request::<u8, u8>::new().unwrap();
    request.connect(&endpoint).unwrap();
    assert!(matches!(request.recv(), Err(RecvError::OutOfTurn)));
}

#[test]
fn a_request_without_an_answer_can_be_followed_by_another() {
    let reply = Reply::<u8, u8>::new().unwrap();
    let endpoint = reply.bind("tcp://127.0.0.1:*").unwrap();
    let request = Request::<u8, u8>::new().unwrap();
    request.connect(&endpoint).unwrap();
    request.send_timeout(&1, SOON).unwrap();
    assert!(matches!(request.recv_timeout(SHORT), Err(RecvTimeoutError::TimedOut)));
    request.send_timeout(&2, SOON).unwrap();
    for number in [1, 2] {
        assert_eq!(reply.recv_timeout(SOON).unwrap(), number);
        reply.send(&(number * 10)).unwrap();
    }
    assert_eq!(request.recv_timeout(SOON).unwrap(), 20, "not the late answer to the first");
}

#[test]
fn a_request_that_cannot_be_read_is_refused_and_the_next_one_answered() {
    let reply = Reply::<bool, u8>::new().unwrap();
    let endpoint = reply.bind("tcp://127.0.0.1:*").unwrap();
    let request = Request::<Vec<u8>, u8>::new().unwrap();
    request.connect(&endpoint).unwrap();
    request.send_timeout(&vec![1, 2, 3], SOON).unwrap();
    assert!(matches!(reply.recv_timeout(SOON), Err(RecvTimeoutError::Recv(RecvError::Decode(_)))));
    assert!(matches!(request.recv_timeout(SOON), Err(RecvTimeoutError::Recv(RecvError::Refused))));
    let honest = Request::<bool, u8>::new().unwrap();
    honest.connect(&endpoint).unwrap();
    honest.send_timeout(&true, SOON).unwrap();
    assert!(reply.recv_timeout(SOON).unwrap());
    reply.send(&7).unwrap();
    assert_eq!(honest.recv_timeout(SOON).unwrap(), 7);
}

#[test]
fn subscribers_hear_their_topics() {
    let (_directory, endpoints) = endpoints();
    for endpoint in &endpoints {
        let publish = Publish::<u32>::new().unwrap();
        let endpoint = publish.bind(endpoint).unwrap();
        let all = Subscribe::<u32>::new().unwrap();
        let some = Subscribe::<u32>::new().unwrap();
        for (socket, prefix) in [(&all, ""), (&some, "load.")] {
            socket.connect(&endpoint).unwrap();
            socket.subscribe(prefix).unwrap();
        }
        // Subscriptions travel in the background: tell until both have heard the first.
        let mut heard = (false, false);
        while heard != (true, true) {
            publish.send("load.probe", &0).unwrap();
            heard.0 |= all.recv_timeout(SHORT).is_ok();
            heard.1 |= some.recv_timeout(SHORT).is_ok();
        }
        publish.send("disk.sda", &1).unwrap();
        publish.send("load.cpu", &2).unwrap();
        let next = |socket: &Subscribe<u32>| loop {
            match socket.recv_timeout(SOON).unwrap() {
                (topic, _) if topic == "load.probe" => {}
                other => break other,
            }
        };
        assert_eq!(next(&all), ("disk.sda".to_owned(), 1));
        assert_eq!(next(&all), ("load.cpu".to_owned(), 2));
        assert_eq!(next(&some), ("load.cpu".to_owned(), 2));
        assert!(matches!(some.try_recv(), Err(TryRecvError::Empty)));
        some.unsubscribe("load.").unwrap();
    }
}

#[test]
fn a_router_answers_whom_it_chooses() {
    let (_directory, endpoints) = endpoints();
    for endpoint in &endpoints {
        let router = Router::<String, u32>::new().unwrap();
        let endpoint = router.bind(endpoint).unwrap();
        let dealers: Vec<Dealer<u32, String>> = (0..3)
            .map(|number: u32| {
                let identity = Some(format!("dealer {number}").into_bytes());
                let options = Options { identity, ..Options::default() };
                let dealer = Dealer::with_options(&options).unwrap();
                dealer.connect(&endpoint).unwrap();
                dealer.send_timeout(&number, SOON).unwrap();
                dealer
            })
            .collect();
        let mut routes: Vec<(Route, u32)> =
            (0..3).map(|_| router.recv_timeout(SOON).unwrap()).collect();
        routes.sort_by_key(|(_, number)| *number);
        assert_eq!(routes[1].0, Route::to("dealer 1"));
        for (route, number) in routes.iter().rev() {
            router.send_timeout(route, &format!("for {number}"), SOON).unwrap();
        }
        for (number, dealer) in dealers.iter().enumerate() {
            assert_eq!(dealer.recv_timeout(SOON).unwrap(), format!("for {number}"));
        }
        let nobody = router.send(&Route::to("nobody"), &String::new());
        assert!(matches!(nobody, Err(SendError::Unreachable)));
    }
}

#[test]
fn a_router_answers_requests_too() {
    let router = Router::<u32, u32>::new().unwrap();
    let endpoint = router.bind("tcp://127.0.0.1:*").unwrap();
    let request = Request::<u32, u32>::new().unwrap();
    request.connect(&endpoint).unwrap();
    request.send_timeout(&6, SOON).unwrap();
    let (route, number) = router.recv_timeout(SOON).unwrap();
    router.send(&route, &(number * 7)).unwrap();
    assert_eq!(request.recv_timeout(SOON).unwrap(), 42);
}

#[test]
fn a_full_queue_is_noticed_and_a_wait_for_it_ends() {
    let options = Options {
        send_high_water_mark: 3,
        receive_high_water_mark: 3,
        linger: Duration::ZERO,
        ..Options::default()
    };
    let pull = Pull::<Vec<u8>>::with_options(&options).unwrap();
    let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap();
    let push = Push::<Vec<u8>>::with_options(&options).unwrap();
    assert!(matches!(push.try_send(&vec![]), Err(TrySendError::Full)), "nobody is connected");
    push.connect(&endpoint).unwrap();
    let block = vec![7; 1 << 20];
    let mut sent = 0_usize;
    loop {
        let start = Instant::now();
        match push.send_timeout(&block, Duration::from_millis(300)) {
            Ok(()) => sent += 1,
            Err(SendTimeoutError::TimedOut) => {
                assert!(start.elapsed() >= Duration::from_millis(300));
                break;
            }
            Err(error) => panic!("{error}"),
        }
        assert!(sent < 1000, "the queues have a bound");
    }
    assert!(wait(&[&push], Deadline::after(SHORT)).is_empty(), "there is no room to wait for");
    for _ in 0..sent {
        assert!(pull.recv_timeout(SOON).unwrap() == block);
    }
    assert_eq!(wait(&[&push], Deadline::after(SOON)), [0]);
    push.try_send(&block).unwrap();
}

#[test]
fn a_router_waits_for_a_full_peer_no_longer_than_it_may() {
    let options = Options { send_high_water_mark: 2, linger: Duration::ZERO, ..Options::default() };
    let router = Router::<Vec<u8>, u8>::with_options(&options).unwrap();
    let endpoint = router.bind("tcp://127.0.0.1:*").unwrap();
    let options = Options { receive_high_water_mark: 2, ..options };
    let dealer = Dealer::<u8, Vec<u8>>::with_options(&options).unwrap();
    dealer.connect(&endpoint).unwrap();
    dealer.send_timeout(&1, SOON).unwrap();
    let (route, _) = router.recv_timeout(SOON).unwrap();
    let block = vec![7; 1 << 20];
    let mut sent = 0;
    while let Ok(()) = router.send_timeout(&route, &block, Duration::from_millis(300)) {
        sent += 1;
        assert!(sent < 1000, "the queues have a bound");
    }
    assert!(matches!(router.try_send(&route, &block), Err(TrySendError::Full)));
    (0..sent).for_each(|_| drop(dealer.recv_timeout(SOON).unwrap()));
    router.send_timeout(&route, &block, SOON).unwrap();
}

#[test]
fn what_was_not_sent_does_not_hold_its_sender() {
    let options = Options { linger: Duration::from_millis(50), ..Options::default() };
    // Taken by nobody: bound, so that the port is real, and never accepted from.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let push = Push::<u8>::with_options(&options).unwrap();
    push.connect(&format!("tcp://{}", silent.local_addr().unwrap())).unwrap();
    let start = Instant::now();
    assert!(matches!(push.send_timeout(&1, SHORT), Err(SendTimeoutError::TimedOut)));
    drop(push);
    assert!(start.elapsed() < SOON);
}

#[test]
fn what_was_sent_arrives_after_its_sender_is_gone() {
    for _ in 0..20 {
        let pull = Pull::<u32>::new().unwrap();
        let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap();
        let push = Push::<u32>::new().unwrap();
        push.connect(&endpoint).unwrap();
        (0..100).for_each(|number| push.send_timeout(&number, SOON).unwrap());
        drop(push);
        (0..100).for_each(|number| assert_eq!(pull.recv_timeout(SOON).unwrap(), number));
    }
}

const ENDPOINT: &str = "BRIGADE_TEST_ENDPOINT";

/// What the other process does; as a test of its own it does nothing.
#[test]
fn child() {
    let Ok(endpoint) = std::env::var(ENDPOINT) else { return };
    let options = Options { linger: SOON, ..Options::default() };
    let push = Push::<Vec<u8>>::with_options(&options).unwrap();
    push.connect(&endpoint).unwrap();
    (0..50).for_each(|number| push.send_timeout(&vec![number; 100_000], SOON).unwrap());
    drop(push);
    std::process::exit(0);
}

#[test]
fn what_was_sent_arrives_after_its_process_is_gone() {
    let (_directory, endpoints) = endpoints();
    for endpoint in &endpoints {
        let pull = Pull::<Vec<u8>>::new().unwrap();
        let endpoint = pull.bind(endpoint).unwrap();
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["child", "--exact"])
            .env(ENDPOINT, endpoint)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        for number in 0..50 {
            assert!(pull.recv_timeout(SOON).unwrap() == vec![number; 100_000]);
        }
        assert!(child.wait().unwrap().success());
    }
}

/// The library gives notice of a change once: whoever looks too late must still see the message.
#[test]
fn a_wait_misses_no_message() {
    let pull = Pull::<u32>::new().unwrap();
    let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap();
    let other = Pull::<u32>::new().unwrap();
    let other_endpoint = other.bind("tcp://127.0.0.1:*").unwrap();
    const COUNT: u32 = 2000;
    thread::scope(|scope| {
        for endpoint in [&endpoint, &other_endpoint] {
            scope.spawn(move || {
                let push = Push::<u32>::new().unwrap();
                push.connect(endpoint).unwrap();
                (0..COUNT).for_each(|number| push.send_timeout(&number, SOON).unwrap());
            });
        }
        let mut next = [0, 0];
        while next != [COUNT, COUNT] {
            let both: [&dyn Waitable; 2] = [&pull, &other];
            let ready = wait(&both, Deadline::after(SOON));
            assert!(!ready.is_empty(), "a message was missed at {next:?}");
            for index in ready {
                // One only, although more may be there.
                let number = [&pull, &other][index].try_recv().unwrap();
                assert_eq!(number, next[index]);
                next[index] += 1;
            }
        }
        assert!(wait(&[&pull, &other], Deadline::after(SHORT)).is_empty());
    });
}

#[test]
fn a_foreign_peer_can_send_what_it_likes() {
    let pull = Pull::<u32>::new().unwrap();
    let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap();
    let context = zmq::Context::new();
    let foreign = context.socket(zmq::PUSH).unwrap();
    foreign.set_linger(0).unwrap();
    foreign.connect(&endpoint).unwrap();
    foreign.send(&b"not four bytes"[..], 0).unwrap();
    foreign.send_multipart(["two", "big"], 0).unwrap();
    foreign.send_multipart(vec!["x"; 1000], 0).unwrap();
    foreign.send(&6_u32.to_le_bytes()[..], 0).unwrap();
    let next = || pull.recv_timeout(SOON);
    assert!(matches!(
        next(),
        Err(RecvTimeoutError::Recv(RecvError::Decode(DecodeError::Trailing { .. })))
    ));
    assert!(matches!(next(), Err(RecvTimeoutError::Recv(RecvError::Malformed))));
    assert!(matches!(next(), Err(RecvTimeoutError::Recv(RecvError::Malformed))));
    assert_eq!(next().unwrap(), 6);
}

#[test]
fn what_is_no_zeromq_is_ignored() {
    use std::io::Write;
    let pull = Pull::<u8>::new().unwrap();
    let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap();
    let address = endpoint.strip_prefix("tcp://").unwrap();
    let mut foreign = std::net::TcpStream::connect(address).unwrap();
    foreign.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert!(matches!(pull.recv_timeout(SHORT), Err(RecvTimeoutError::TimedOut)));
    let push = Push::<u8>::new().unwrap();
    push.connect(&endpoint).unwrap();
    push.send_timeout(&1, SOON).unwrap();
    assert_eq!(pull.recv_timeout(SOON).unwrap(), 1);
}

#[test]
fn a_descriptor_does_not_travel() {
    let push = Push::<brigade_codec::Descriptor>::new().unwrap();
    let null = std::fs::File::open("/dev/null").unwrap();
    assert!(matches!(
        push.try_send(&null.into()),
        Err(TrySendError::Send(SendError::Encode(EncodeError::NotCarried(_))))
    ));
}

#[test]
fn errors_name_the_endpoint() {
    let (_directory, endpoints) = endpoints();
    let pull = Pull::<u8>::new().unwrap();
    for endpoint in ["nonsense", "tcp://127.0.0.1", "carrier-pigeon://x", "ipc:///nonexistent/x"] {
        let error = pull.bind(endpoint).unwrap_err();
        assert!(error.to_string().contains(endpoint), "{error}");
    }
    assert!(pull.connect("tcp://").is_err());
    let endpoint = pull.bind(&endpoints[1]).unwrap();
    let other = Pull::<u8>::new().unwrap();
    let error = other.bind(&endpoint).unwrap_err();
    assert_eq!(error.source.kind(), std::io::ErrorKind::AddrInUse, "{error}");
}
