//! Work that is the same for many, shared among the machine's processors. What comes out does not depend on how many there
//! are: whatever is random is drawn before.

use crate::Result;
use std::num::NonZero;
use std::thread;

/// Fewer than this are not worth a thread of their own.
const WORTH: usize = 16;

/// What `run` makes of each, in their order. Where no thread can be had, one after the other.
pub(crate) fn each<T: Sync, R: Send>(items: &[T], run: impl Fn(&T) -> Result<R> + Sync) -> Result<Vec<R>> {
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let threads = processors.min(items.len() / WORTH).max(1);
    if threads == 1 {
        return items.iter().map(run).collect();
    }
    let share = |some: &[T]| some.iter().map(&run).collect::<Result<Vec<R>>>();
    let mut shares = items.chunks(items.len().div_ceil(threads));
    let own = shares.next().unwrap_or_default();
    thread::scope(|scope| {
        let others: Vec<_> =
            shares.map(|some| (some, thread::Builder::new().spawn_scoped(scope, || share(some)))).collect();
        let mut all = share(own)?;
        for (some, other) in others {
            all.extend(match other.map(thread::ScopedJoinHandle::join) {
                Ok(Ok(done)) => done?,
                Ok(Err(panic)) => std::panic::resume_unwind(panic),
                Err(_) => share(some)?,
            });
        }
        Ok(all)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PeerFault;

    #[test]
    fn all_come_out_in_their_order_and_one_that_fails_fails_the_whole() {
        for count in [0, 1, 15, 16, 31, 32, 33, 100, 1000] {
            let items: Vec<usize> = (0..count).collect();
            let doubled = each(&items, |item| Ok(item * 2)).unwrap();
            assert_eq!(doubled, items.iter().map(|item| item * 2).collect::<Vec<_>>());
            let last =
                |item: &usize| if item + 1 == count { Err(PeerFault::BadKey.into()) } else { Ok(*item) };
            assert_eq!(each(&items, last).is_err(), count > 0, "{count}");
        }
    }
}
