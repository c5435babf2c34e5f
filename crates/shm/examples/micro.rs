#![allow(missing_docs, clippy::all)]
use brigade_shm::{Array, List, Map, Value};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering::*};
use std::time::Instant;

fn time(name: &str, count: u64, mut run: impl FnMut(u64)) {
    let mut best = f64::MAX;
    for _ in 0..15 {
        let begin = Instant::now();
        run(count);
        best = best.min(begin.elapsed().as_secs_f64() * 1e9 / count as f64);
    }
    println!("{name:40} {best:8.2} ns");
}

fn contended(name: &str, run: impl Fn(u64) + Sync) {
    const COUNT: u64 = 1_000_000;
    let mut best = f64::MAX;
    for _ in 0..7 {
        let begin = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| run(COUNT));
            }
        });
        best = best.min(begin.elapsed().as_secs_f64());
    }
    println!("{name:40} {:8.2} M/s", 2.0 * COUNT as f64 / best / 1e6);
}

fn main() {
    const N: u64 = 1 << 16;
    let only = std::env::args().nth(1).unwrap_or_default();
    if only.is_empty() || only == "array" {
        let plain: Vec<AtomicU64> = (0..1024).map(AtomicU64::new).collect();
        time("plain load", N, |n| {
            for i in 0..n {
                black_box(plain[(i & 1023) as usize].load(Acquire));
            }
        });
        time("plain store", N, |n| {
            for i in 0..n {
                plain[(i & 1023) as usize].store(i, Release);
            }
        });
        let array = Array::<u64>::zeroed(1024).unwrap();
        time("Array::get", N, |n| {
            for i in 0..n {
                black_box(array.get((i & 1023) as usize).unwrap_or(0));
            }
        });
        time("Array::set", N, |n| {
            for i in 0..n {
                array.set((i & 1023) as usize, i).unwrap();
            }
        });
        time("Array::fetch_add", N, |n| {
            for i in 0..n {
                array.fetch_add((i & 1023) as usize, i).unwrap();
            }
        });
        time("Array::update", N, |n| {
            for i in 0..n {
                array.update((i & 1023) as usize, |v| *v += 1).unwrap();
            }
        });
        time("Array::to_vec / element", N, |n| {
            for _ in 0..n / 1024 {
                black_box(array.to_vec());
            }
        });
        time("Array::iter / element", N, |n| {
            for _ in 0..n / 1024 {
                for v in array.iter() {
                    black_box(v);
                }
            }
        });
        let big = Array::<[u64; 4]>::zeroed(1024).unwrap();
        time("Array<[u64; 4]>::get", N, |n| {
            for i in 0..n {
                black_box(big.get((i & 1023) as usize));
            }
        });
        time("Array<[u64; 4]>::set", N, |n| {
            for i in 0..n {
                big.set((i & 1023) as usize, [i; 4]).unwrap();
            }
        });
    }
    if only.is_empty() || only == "list" {
        let list = List::<u64>::new().unwrap();
        list.extend(0..1024).unwrap();
        time("List::get", N, |n| {
            for i in 0..n {
                black_box(list.get((i & 1023) as usize).unwrap_or(0));
            }
        });
        time("List::set", N, |n| {
            for i in 0..n {
                list.set((i & 1023) as usize, i).unwrap();
            }
        });
        time("List::update", N, |n| {
            for i in 0..n {
                list.update((i & 1023) as usize, |v| *v += 1).unwrap();
            }
        });
        time("List::push+pop", N, |n| {
            for i in 0..n {
                list.push(i).unwrap();
                list.pop();
            }
        });
        time("List::to_vec / element", N, |n| {
            for _ in 0..n / 1024 {
                black_box(list.to_vec().unwrap());
            }
        });
        time("List::iter / element", N, |n| {
            for _ in 0..n / 1024 {
                for v in list.iter() {
                    black_box(v);
                }
            }
        });
        let big = List::<[u64; 4]>::new().unwrap();
        big.extend((0..1024).map(|i| [i; 4])).unwrap();
        time("List<[u64; 4]>::get", N, |n| {
            for i in 0..n {
                black_box(big.get((i & 1023) as usize));
            }
        });
        time("List<[u64; 4]>::set", N, |n| {
            for i in 0..n {
                big.set((i & 1023) as usize, [i; 4]).unwrap();
            }
        });
    }
    if only.is_empty() || only == "value" {
        let value = Value::new(0_u64).unwrap();
        time("Value::update", N, |n| {
            for _ in 0..n {
                value.update(|v| *v += 1);
            }
        });
        contended("Value::update, two threads", |n| {
            for _ in 0..n {
                value.update(|v| *v += 1);
            }
        });
        let value = Value::new([0_u64; 4]).unwrap();
        time("Value<[u64; 4]>::get", N, |n| {
            for _ in 0..n {
                black_box(value.get());
            }
        });
        time("Value<[u64; 4]>::update", N, |n| {
            for _ in 0..n {
                value.update(|v| v[0] += 1);
            }
        });
        contended("Value<[u64; 4]>::update, two threads", |n| {
            for _ in 0..n {
                value.update(|v| v[0] += 1);
            }
        });
    }
    if only.is_empty() || only == "map" {
        let map = Map::<u64, u64>::new().unwrap();
        map.extend((0..1024).map(|i| (i, i))).unwrap();
        time("Map<u64, u64>::get", N, |n| {
            for i in 0..n {
                black_box(map.get(&(i & 1023)).unwrap());
            }
        });
        time("Map<u64, u64>::contains_key", N, |n| {
            for i in 0..n {
                black_box(map.contains_key(&(i & 1023)).unwrap());
            }
        });
        time("Map<u64, u64>::get, missing", N, |n| {
            for i in 0..n {
                black_box(map.get(&(i | 1024)).unwrap());
            }
        });
        time("Map<u64, u64>::insert, there", N, |n| {
            for i in 0..n {
                map.insert(&(i & 1023), &i).unwrap();
            }
        });
        time("Map<u64, u64>::update", N, |n| {
            for i in 0..n {
                map.update(&(i & 1023), |v| *v = v.map(|v| v + 1)).unwrap();
            }
        });
        time("Map<u64, u64>::remove+insert", N, |n| {
            for i in 0..n {
                let k = i & 1023;
                map.remove(&k).unwrap();
                map.insert(&k, &i).unwrap();
            }
        });
        time("Map iter / entry", N, |n| {
            for _ in 0..n / 1024 {
                for e in &map {
                    black_box(e.unwrap());
                }
            }
        });
        time("Map to_vec / entry", N, |n| {
            for _ in 0..n / 1024 {
                black_box(map.to_vec().unwrap());
            }
        });
        let text = Map::<String, String>::new().unwrap();
        let keys: Vec<_> = (0..1024).map(|i| format!("key number {i}")).collect();
        for key in &keys {
            text.insert(key, &"a value of some length".repeat(3)).unwrap();
        }
        time("Map<String, String>::get", N, |n| {
            for i in 0..n {
                black_box(text.get(&keys[(i & 1023) as usize]).unwrap());
            }
        });
        let mut v = "a value of some length".repeat(3);
        time("Map<String, String>::insert, there", N, |n| {
            for i in 0..n {
                v.pop();
                v.push((b'a' + (i % 26) as u8) as char);
                text.insert(&keys[(i & 1023) as usize], &v).unwrap();
            }
        });
        contended("Map<u64, u64>::update, two threads", |n| {
            for i in 0..n / 10 {
                map.update(&(i & 1023), |v| *v = v.map(|v| v + 1)).unwrap();
            }
        });
        let std_map: std::collections::HashMap<u64, u64> = (0..1024).map(|i| (i, i)).collect();
        let std_map = std::sync::RwLock::new(std_map);
        time("std RwLock<HashMap>::get", N, |n| {
            for i in 0..n {
                black_box(std_map.read().unwrap().get(&(i & 1023)).copied());
            }
        });
    }
}
