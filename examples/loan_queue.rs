//! The queue that lends its memory: a camera writes its pictures where they are read, and no picture
//! is copied, however large it is. A camera that is killed while it writes leaves nothing behind.
//!
//! In Python this takes `SharedMemory`, a queue of names, and care.

use std::error::Error;

use brigade::{ExitStatus, LoanQueue, Process};

const WIDTH: usize = 640;
const HEIGHT: usize = 480;
const PICTURES: u8 = 50;

fn film(pictures: LoanQueue<u8>) -> Result<(), Box<dyn Error>> {
    for number in 1..=PICTURES {
        let mut picture = pictures.loan()?;
        picture.fill(number);
        let length = picture.len();
        picture.send(length)?;
    }
    Ok(())
}

fn stumble(pictures: LoanQueue<u8>) -> Result<(), Box<dyn Error>> {
    let mut picture = pictures.loan()?;
    picture[..WIDTH].fill(255);
    std::process::abort();
}

#[brigade::main]
fn main() -> Result<(), Box<dyn Error>> {
    // Three pictures under way at most.
    let pictures = LoanQueue::new(3, WIDTH * HEIGHT)?;
    for _ in 0..5 {
        let camera = Process::start(stumble, pictures.clone())?;
        assert!(matches!(camera.join(), ExitStatus::Signal(_)));
    }
    println!("5 cameras died with half a picture, and their slots are free again");
    let camera = Process::start(film, pictures.clone())?;
    let mut light = 0_u64;
    for number in 1..=PICTURES {
        let picture = pictures.get()?;
        assert!(picture.iter().all(|&pixel| pixel == number), "half a picture");
        light += u64::from(number) * picture.len() as u64;
    }
    assert_eq!(camera.join(), ExitStatus::Code(0));
    let bytes = PICTURES as usize * WIDTH * HEIGHT;
    println!(
        "{PICTURES} pictures, {} MB, read where they were written: {light}",
        bytes / 1_000_000
    );
    assert_eq!(light, 50 * 51 / 2 * (WIDTH * HEIGHT) as u64);
    Ok(())
}
