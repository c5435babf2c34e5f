//! Six passwords, each hashed a million times: in one process, then over a pool of three workers.
//!
//! In Python: `process_sample1.py` of the notes, with `ProcessPoolExecutor(max_workers=3)`. An
//! argument says how often to hash: `cargo run --release --example sha512_pool 1000000`.

use std::env;
use std::error::Error;
use std::sync::Mutex;
use std::time::Instant;

use brigade::ProcessPool;
use sha2::{Digest, Sha512};

const PASSWORDS: [&str; 6] = ["pass", "passwd", "MyPassw", "MyPasswd123", "p", "a"];

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Every process has its own: what a worker adds, the parent never sees.
static GLOBAL_RESULTS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Hashes, writes the hash in hexadecimal, and hashes that, and so on.
fn hash((password, rounds): (String, u64)) -> String {
    let mut text = password.into_bytes();
    for _ in 0..rounds {
        let digest = Sha512::digest(&text);
        text.clear();
        for byte in digest {
            text.push(DIGITS[usize::from(byte >> 4)]);
            text.push(DIGITS[usize::from(byte & 15)]);
        }
    }
    text.into_iter().map(char::from).collect()
}

fn task(input: (String, u64)) -> (String, String) {
    let password = input.0.clone();
    let digest = hash(input);
    if let Ok(mut results) = GLOBAL_RESULTS.lock() {
        results.push(digest.clone());
    }
    (password, digest)
}

#[brigade::main]
fn main() -> Result<(), Box<dyn Error>> {
    assert!(hash(("abc".to_owned(), 1)).starts_with("ddaf35a193617abacc417349ae204131"));
    // Without the compiler's optimizations a million rounds take too long for a first look.
    let usual = if cfg!(debug_assertions) { 5_000 } else { 1_000_000 };
    let rounds = env::args().nth(1).map_or(Ok(usual), |text| text.parse())?;
    let inputs = PASSWORDS.map(|password| (password.to_owned(), rounds));

    let begin = Instant::now();
    let expected = inputs.clone().map(|input| (input.0.clone(), hash(input)));
    println!("one process: {rounds} rounds for each of six in {:.2?}", begin.elapsed());

    let begin = Instant::now();
    let pool = ProcessPool::new(3)?;
    let results = pool.map(task, inputs).collect::<Result<Vec<_>, _>>()?;
    println!("three workers: the same in {:.2?}", begin.elapsed());

    for (password, digest) in &results {
        println!("{password:<12}{}...", &digest[..48]);
    }
    assert_eq!(results, expected);
    assert!(GLOBAL_RESULTS.lock()?.is_empty());
    println!("the parent's list of results is empty: {:?}", GLOBAL_RESULTS.lock()?);
    Ok(())
}
