//! Several things at a time, on threads; what comes back does not depend on how many.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Does `work` for each of `all`, `jobs` at a time, and gives what came of it in their order.
pub fn in_order<T: Sync, R: Send>(jobs: usize, all: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done: Vec<Mutex<Option<R>>> = all.iter().map(|_| Mutex::new(None)).collect();
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1).min(all.len()) {
            scope.spawn(|| {
                while let Some((one, place)) = {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    all.get(place).zip(done.get(place))
                } {
                    let result = work(one);
                    *place.lock().expect("nobody panics with it") = Some(result);
                }
            });
        }
    });
    let all = done.into_iter().map(|one| one.into_inner().expect("nobody panics with it"));
    all.map(|one| one.expect("everything was taken")).collect()
}

/// As many as the machine has cores, if nobody says.
pub fn or_cores(jobs: Option<usize>) -> usize {
    jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_back_is_in_order_with_any_number_of_jobs() {
        let all: Vec<u64> = (0..100).collect();
        let squares: Vec<u64> = all.iter().map(|n| n * n).collect();
        for jobs in [1, 2, 7, 1000] {
            assert_eq!(in_order(jobs, &all, |n| n * n), squares);
        }
        assert!(in_order(4, &[] as &[u64], |n| *n).is_empty());
    }
}
