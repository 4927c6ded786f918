//! How many may be somewhere at once, in all and from one address. Not here:
//! how often what may happen (`limits`).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::relay::{LOOPBACK_FACTOR, network};

/// Counts who is there.
pub(crate) struct Admission {
    most: usize,
    most_per_address: usize,
    present: Mutex<Present>,
}

#[derive(Default)]
struct Present {
    all: usize,
    by_address: HashMap<Vec<u8>, usize>,
}

impl Admission {
    pub(crate) fn new(most: usize, most_per_address: usize) -> Arc<Self> {
        Arc::new(Self { most, most_per_address, present: Mutex::default() })
    }

    /// Counts one in, until the guard goes.
    pub(crate) fn admit(self: &Arc<Self>, peer: IpAddr) -> Option<Admitted> {
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        let factor = if peer.is_loopback() { LOOPBACK_FACTOR as usize } else { 1 };
        let address = network(peer);
        let here = present.by_address.get(&address).copied().unwrap_or(0);
        if present.all >= self.most || here >= self.most_per_address.saturating_mul(factor) {
            return None;
        }
        present.all += 1;
        present.by_address.insert(address.clone(), here + 1);
        Some(Admitted { to: self.clone(), address })
    }
}

/// One that was counted in.
pub(crate) struct Admitted {
    to: Arc<Admission>,
    address: Vec<u8>,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut present = self.to.present.lock().unwrap_or_else(PoisonError::into_inner);
        present.all = present.all.saturating_sub(1);
        if let Some(here) = present.by_address.get_mut(&self.address) {
            *here = here.saturating_sub(1);
            if *here == 0 {
                present.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_and_all_networks_have_their_bounds_and_leaving_makes_room() {
        let admission = Admission::new(3, 2);
        let from = |address: &str| admission.admit(address.parse().unwrap());
        let (one, _two) = (from("2001:db8::1"), from("2001:db8::2"));
        assert!(one.is_some() && from("2001:db8::3").is_none(), "one network counts as one address");
        let _three = from("10.0.0.1").unwrap();
        assert!(from("10.0.0.2").is_none(), "three in all");
        drop(one);
        assert!(from("2001:db8::3").is_some());
    }

    #[test]
    fn loopback_is_bounded_by_the_whole_only() {
        let admission = Admission::new(5, 1);
        let all: Vec<_> = (0..6).map(|_| admission.admit("127.0.0.1".parse().unwrap())).collect();
        assert_eq!(all.iter().flatten().count(), 5);
    }
}
