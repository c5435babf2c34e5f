//! The queue that is last in, first out: who looks through a tree deep first needs a stack, and with
//! several processes they share it.
//!
//! In Python: `queue.LifoQueue`, for threads alone.

use std::error::Error;

use brigade::queue::TryPutError;
use brigade::{JoinableQueue, LifoQueue, Process, Value};

/// Nodes are numbered as in a heap: node `n` has the children `2n` and `2n + 1`.
const NODES: u64 = 500;

/// The nodes that nobody has visited, how many were visited, and one mark for each visit to come.
type Tree = (LifoQueue<u64>, Value<u64>, JoinableQueue<()>);

fn walk((nodes, visited, visits): Tree) -> Result<(), Box<dyn Error>> {
    while visits.get().is_ok() {
        let node = nodes.get()?;
        visited.fetch_add(1);
        for child in [2 * node, 2 * node + 1].into_iter().filter(|&child| child <= NODES) {
            nodes.put(child)?;
            visits.put(())?;
        }
        // Said last: what is still to be visited has been put by then.
        visits.task_done()?;
    }
    Ok(())
}

#[brigade::main]
fn main() -> Result<(), Box<dyn Error>> {
    let plates = LifoQueue::bounded(3)?;
    ["white", "blue", "red"].into_iter().try_for_each(|plate| plates.put(plate.to_owned()))?;
    assert!(matches!(plates.try_put("one too many".to_owned()), Err(TryPutError::Full(_))));
    assert_eq!(
        (plates.get()?, plates.get()?, plates.get()?),
        ("red".into(), "blue".into(), "white".into())
    );
    println!("the plate that was put last is taken first");

    let tree: Tree = (LifoQueue::unbounded()?, Value::new(0)?, JoinableQueue::unbounded()?);
    let (nodes, visited, visits) = &tree;
    nodes.put(1)?;
    visits.put(())?;
    let walkers = [Process::start(walk, tree.clone())?, Process::start(walk, tree.clone())?];
    visits.join()?;
    visits.close();
    assert!(walkers.iter().all(|walker| walker.join().success()));
    assert_eq!(visited.get(), NODES);
    println!("two processes walked a tree of {} nodes, deep first", visited.get());
    Ok(())
}
