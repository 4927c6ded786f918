//! What a message costs on the wire.

use super::*;

/// Bytes that a length which needs no padding gets, all slices included: Padmé steps are 64 bytes at this size.
fn added(world: &mut World) -> usize {
    let over = |length: usize, world: &mut World| {
        world.say(0, &"x".repeat(length));
        let kept = world.log.last().unwrap();
        kept.shared.len() + kept.slices.values().map(Vec::len).sum::<usize>() - length
    };
    (1024..1088).map(|length| over(length, world)).min().unwrap()
}

#[test]
fn a_message_of_1_kib_grows_by_at_most_170_bytes_in_a_group_and_240_between_two() {
    let mut group = World::new(Scheme::SenderKeys, &["mike", "sean", "steve"], 0);
    let mut direct = World::new(Scheme::Pairwise, &["mike", "sean"], 0);
    for world in [&mut group, &mut direct] {
        // Sessions are answered, keys handed out, and the numbers of entries have grown beyond one byte.
        for _ in 0..40 {
            world.say(0, "hello");
            world.say(1, "hello yourself");
        }
    }
    let added = (added(&mut group), added(&mut direct));
    assert!(added.0 <= 170 && added.1 <= 240, "{added:?}");
}
