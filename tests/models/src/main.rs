//! Runs the models.

use std::time::Instant;

use brigade_models::MODELS;

fn main() {
    brigade_models::trial::end_at_failure(1);
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    for model in MODELS.iter().copied().flatten() {
        if wanted.is_empty() || wanted.iter().any(|name| model.name.contains(name.as_str())) {
            let start = Instant::now();
            let explored = model.explore();
            println!("{:20} {explored:?} {:.2} s", model.name, start.elapsed().as_secs_f64());
        }
    }
}
