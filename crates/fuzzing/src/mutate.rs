//! Inputs from a corpus: a few changes of the kinds that break parsers, each drawn from a seeded generator.

/// SplitMix64 (Steele, Lea, Flood 2014): small, and the same everywhere.
pub(crate) struct Rng(u64);

/// Bytes that stand for bounds: of counts, of lengths in one, two and four bytes.
const TELLING: [u8; 12] = [0, 1, 2, 0x3f, 0x40, 0x7f, 0x80, 0x81, 0xbf, 0xc0, 0xfe, 0xff];
const MOST_CHANGES: u64 = 4;

impl Rng {
    /// The generator of one input of one target.
    pub(crate) fn of(seed: u64, name: &str, at: u64) -> Self {
        let mut rng = Self(seed);
        for part in name.bytes().map(u64::from).chain([at]) {
            rng.0 = rng.next() ^ part;
        }
        rng
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `bound`, which is above 0. Of large numbers, more are small: what parsers read first stands in front.
    fn below(&mut self, bound: usize) -> usize {
        let drawn = (self.next() % bound.max(1) as u64) as usize;
        if self.next().is_multiple_of(2) { drawn } else { drawn.min((self.next() % 64) as usize) }
    }

    fn byte(&mut self) -> u8 {
        match self.next() % 3 {
            0 => TELLING.get(self.next() as usize % TELLING.len()).copied().unwrap_or(0),
            _ => self.next() as u8,
        }
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most)).map(|_| self.byte()).collect()
    }
}

/// One input: one of `kept` with some changes, or bytes that have nothing to do with any.
pub(crate) fn input(rng: &mut Rng, kept: &[Vec<u8>]) -> Vec<u8> {
    let choice = rng.next() as usize % (kept.len() + 1);
    let Some(mut bytes) = kept.get(choice).cloned() else { return rng.bytes(600) };
    for _ in 0..=rng.next() % MOST_CHANGES {
        change(rng, &mut bytes, kept);
    }
    bytes
}

fn change(rng: &mut Rng, bytes: &mut Vec<u8>, kept: &[Vec<u8>]) {
    let at = rng.below(bytes.len());
    let upto = (at + 1 + rng.below(bytes.len().min(64))).min(bytes.len());
    match rng.next() % 9 {
        0 => {
            let bit = rng.next() % 8;
            with(bytes, at, |byte| *byte ^= 1 << bit);
        }
        1 => {
            let value = rng.byte();
            with(bytes, at, |byte| *byte = value);
        }
        2 => with(bytes, at, |byte| *byte = byte.wrapping_add(1)),
        3 => bytes.truncate(at),
        4 => drop(bytes.drain(at.min(upto)..upto)),
        5 => {
            let new = rng.bytes(16);
            drop(bytes.splice(at..at, new));
        }
        6 => {
            let again = bytes.get(at..upto).unwrap_or_default().to_vec();
            drop(bytes.splice(at..at, again));
        }
        7 => {
            // A number that promises much, over whatever stands there.
            let width = [1, 2, 4, 8].get(rng.next() as usize % 4).copied().unwrap_or(1);
            let (first, rest) = (rng.byte(), rng.byte());
            for offset in 0..width {
                with(bytes, at + offset, |byte| *byte = if offset == 0 { first } else { rest });
            }
        }
        _ => {
            let other = kept.get(rng.next() as usize % kept.len().max(1)).map_or(&[][..], Vec::as_slice);
            let from = rng.below(other.len());
            bytes.truncate(at);
            bytes.extend_from_slice(other.get(from..).unwrap_or_default());
        }
    }
}

fn with(bytes: &mut [u8], at: usize, change: impl FnOnce(&mut u8)) {
    if let Some(byte) = bytes.get_mut(at) {
        change(byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_inputs_and_another_gives_others() {
        let kept = [vec![7; 100], vec![9; 10]];
        let inputs = |seed| (0..50).map(|at| input(&mut Rng::of(seed, "x", at), &kept)).collect::<Vec<_>>();
        assert_eq!(inputs(1), inputs(1));
        assert_ne!(inputs(1), inputs(2));
        let differ = inputs(1).iter().filter(|bytes| !kept.contains(bytes)).count();
        assert!(differ > 40, "{differ} of 50 are no file of the corpus");
    }
}
