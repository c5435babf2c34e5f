//! A map that several processes change: they count words, share what was expensive to compute, and
//! one of them is killed.
//!
//! In Python: `multiprocessing.Manager().dict()`, but without a server process, and with updates
//! that are not lost: the map lies in shared memory.

use std::error::Error;

use brigade::{Event, ExitStatus, Map, MapError, Process};

const TEXT: [&str; 3] = [
    "the quick brown fox jumps over the lazy dog",
    "the dog sleeps on and the fox runs",
    "so ends the tale of the dog and the fox",
];

/// In Python, two processes that say `words[word] += 1` at once may count once.
fn count((words, line): (Map<String, u32>, String)) -> Result<(), MapError> {
    for word in line.split(' ') {
        words.update(word, |count| *count = Some(count.unwrap_or(0) + 1))?;
    }
    Ok(())
}

/// Whoever comes first computes a number's square root, and all others find it.
fn look_up((roots, computed): (Map<u64, f64>, Map<u64, u32>)) -> Result<(), MapError> {
    for number in 0..100 {
        let root = roots.get_or_insert_with(&number, || {
            let by_whom = computed.insert(&number, &std::process::id());
            assert_eq!(by_whom.ok(), Some(None), "nobody else computes it");
            (number as f64).sqrt()
        })?;
        assert_eq!(root, (number as f64).sqrt());
    }
    Ok(())
}

/// Begins a change and never ends it.
fn hang((words, inside): (Map<String, u32>, Event)) -> Result<(), Box<dyn Error>> {
    words.update("fox", |count| {
        *count = None;
        inside.set();
        Event::new().map(|never| never.wait())
    })??;
    Ok(())
}

#[brigade::main]
fn main() -> Result<(), Box<dyn Error>> {
    let words = Map::<String, u32>::new()?;
    let counters = TEXT
        .iter()
        .map(|line| Process::start(count, (words.clone(), line.to_string())))
        .collect::<Result<Vec<_>, _>>()?;
    assert!(counters.iter().all(|counter| counter.join().success()));
    assert_eq!((words.get("the")?, words.get("fox")?, words.get("cat")?), (Some(7), Some(3), None));
    assert_eq!(words.values()?.iter().sum::<u32>(), 27);
    println!("three processes found {} words", words.len());

    let (roots, computed) = (Map::new()?, Map::new()?);
    let askers = (0..3)
        .map(|_| Process::start(look_up, (roots.clone(), computed.clone())))
        .collect::<Result<Vec<_>, _>>()?;
    assert!(askers.iter().all(|asker| asker.join().success()));
    assert_eq!((roots.len(), computed.len()), (100, 100));
    println!("three processes needed {} roots, and computed each once", roots.len());

    let inside = Event::new()?;
    let hanging = Process::start(hang, (words.clone(), inside.clone()))?;
    inside.wait();
    assert_eq!(words.get("fox")?, Some(3), "who reads waits for nobody");
    hanging.kill()?;
    words.insert("cat", &1)?;
    assert_eq!(hanging.join(), ExitStatus::Signal(9));
    assert_eq!(words.get("fox")?, Some(3), "and the change never happened");
    println!("a process was killed in the middle of a change, and nobody noticed");

    words.retain(|_, count| *count > 1)?;
    for entry in &words {
        let (word, count) = entry?;
        assert!(count > 1);
        println!("{word}: {count}");
    }
    words.clear()?;
    assert!(words.is_empty());
    Ok(())
}
