//! The rules of channels: posts, turns, seats, claims, cursors. Every check of
//! an operation stands before its first write, so that a refused one leaves
//! nothing behind on any backend.

use std::collections::BTreeMap;

use conclave_wire::{ChannelId, Code, SeatId, limits};
use subtle::ConstantTimeEq;

use super::people::{self, deposit};
use super::reading::encode_changes;
use super::tables::{ChannelRow, EntryRow, LastPost, Result, SeatRow, Tables};
use super::{Acceptance, Cursor, Hash, Op, Outcome, PostOp, Refusal};
use super::{blobs, log};

/// Channels looked at in one step of a sweep.
const SWEEP_CHANNELS: usize = 64;
/// Entries whose bodies one step frees in one channel.
const SWEEP_ENTRIES: usize = 256;

/// Applies one operation.
pub(super) fn apply(t: &mut dyn Tables, op: &Op) -> Result<Outcome> {
    match op {
        Op::CreateChannel { channel, seat, token } => create(t, channel, seat, token),
        Op::Post(post) => self::post(t, post),
        Op::PutBlob(put) => blobs::put(t, put),
        Op::Claim { channel, seat, claim, token } => self::claim(t, channel, seat, claim, token),
        Op::Acks(cursors) => acks(t, cursors),
        Op::Sweep { cutoff, after } => sweep(t, *cutoff, *after),
        Op::Register(_)
        | Op::Publish(_)
        | Op::Recover(_)
        | Op::TakeKeys(_)
        | Op::SendLetter { .. }
        | Op::AckLetters { .. } => people::apply(t, op),
        Op::Epoch(_) | Op::Growth { .. } | Op::Cosign { .. } => log::apply(t, op),
    }
}

pub(super) fn refused(code: Code) -> Result<Outcome> {
    Ok(Outcome::Refused(Refusal::from(code)))
}

fn create(t: &mut dyn Tables, channel: &ChannelId, seat: &SeatId, token: &Hash) -> Result<Outcome> {
    if let Some(row) = t.channel(channel)? {
        let first = t.seat(row.key, seat)?.filter(|first| first.opened == 0);
        let same = first.and_then(|first| first.token).is_some_and(|kept| same(&kept, token));
        return if same { Ok(Outcome::Done) } else { refused(Code::ChannelTaken) };
    }
    let mut row = t.add_channel(channel)?;
    row.open_seats = 1;
    t.set_channel(&row)?;
    let first = SeatRow {
        seat: *seat,
        token: Some(*token),
        claim: None,
        opened: 0,
        after: 0,
        closed: None,
        cursor: 0,
        last: None,
    };
    t.add_seat(row.key, &first)?;
    Ok(Outcome::Done)
}

fn post(t: &mut dyn Tables, post: &PostOp) -> Result<Outcome> {
    let (mut channel, mut seat) = match authorised(t, &post.channel, &post.seat, &post.token)? {
        Ok(rows) => rows,
        Err(code) => return refused(code),
    };
    // Before the check for closed: a leaver's own post closes its seat, and its
    // answer can get lost too.
    if let Some(last) = &seat.last
        && (last.number, last.hash) == (post.number, post.hash)
    {
        let LastPost { entry, turn, at, .. } = *last;
        return Ok(Outcome::Posted(Acceptance { entry, turn, at, repeated: true }));
    }
    if seat.closed.is_some() {
        return refused(Code::Closed);
    }
    if post.number != seat.last.as_ref().map_or(1, |last| last.number.saturating_add(1)) {
        let last = seat.last.as_ref().map_or((0, [0; 32]), |last| (last.number, last.hash));
        return Ok(Outcome::Refused(Refusal { code: Code::WrongNumber, last: Some(last) }));
    }
    if post.at_turn != channel.turn {
        return Ok(Outcome::Stale { turn: channel.turn, head: channel.head });
    }
    if let Some(code) = check_changes(t, &channel, post)? {
        return refused(code);
    }
    if let Some(code) = people::check_letters(t, &post.letters)? {
        return refused(code);
    }
    channel.head += 1;
    channel.turn += u64::from(post.takes_turn);
    let (entry, turn, at) = (channel.head, channel.turn, post.at);
    seat.last = Some(LastPost { number: post.number, hash: post.hash, entry, turn, at });
    t.set_seat(channel.key, &seat)?;
    change_seats(t, &mut channel, post)?;
    t.set_channel(&channel)?;
    t.add_entry(channel.key, &entry_row(&channel, post), &post.shared, &post.slices)?;
    for (device, body) in &post.letters {
        deposit(t, device, body, at)?;
    }
    Ok(Outcome::Posted(Acceptance { entry, turn, at, repeated: false }))
}

fn entry_row(channel: &ChannelRow, post: &PostOp) -> EntryRow {
    EntryRow {
        number: channel.head,
        turn: channel.turn,
        seat: post.seat,
        seat_number: post.number,
        at: post.at,
        hash: post.hash,
        sliced: !post.slices.is_empty(),
        changes: encode_changes(post),
    }
}

type Authorised = std::result::Result<(ChannelRow, SeatRow), Code>;

/// A seat that the token is of, open or not.
pub(super) fn authorised(
    t: &mut dyn Tables,
    channel: &ChannelId,
    seat: &SeatId,
    token: &Hash,
) -> Result<Authorised> {
    let Some(channel) = t.channel(channel)? else {
        return Ok(Err(Code::UnknownChannel));
    };
    let Some(seat) = t.seat(channel.key, seat)? else {
        return Ok(Err(Code::UnknownSeat));
    };
    Ok(match check_token(&seat, token) {
        Some(code) => Err(code),
        None => Ok((channel, seat)),
    })
}

pub(super) fn check_token(seat: &SeatRow, token: &Hash) -> Option<Code> {
    match &seat.token {
        None => Some(Code::Unclaimed),
        Some(kept) if !same(kept, token) => Some(Code::WrongToken),
        Some(_) => None,
    }
}

fn check_changes(t: &mut dyn Tables, channel: &ChannelRow, post: &PostOp) -> Result<Option<Code>> {
    for open in &post.opens {
        if open.after > channel.head {
            return Ok(Some(Code::BadCursor));
        }
        if t.seat(channel.key, &open.seat)?.is_some() {
            return Ok(Some(Code::SeatTaken));
        }
    }
    let seats = channel.open_seats.saturating_add(post.opens.len() as u64);
    Ok((seats > limits::SEATS_PER_CHANNEL as u64).then_some(Code::TooLarge))
}

/// Closing a closed seat again is fine: a leaver's seat is closed by its own
/// post, and named once more by the commit that takes the leaver out. So is
/// closing one that is not there: a relay restored from a backup may have lost
/// it, and the members go on.
fn change_seats(t: &mut dyn Tables, channel: &mut ChannelRow, post: &PostOp) -> Result<()> {
    for open in &post.opens {
        let row = SeatRow {
            seat: open.seat,
            token: None,
            claim: Some(open.claim),
            opened: channel.head,
            after: open.after,
            closed: None,
            // It holds every body from its own entry on until it reads them.
            cursor: channel.head.saturating_sub(1),
            last: None,
        };
        t.add_seat(channel.key, &row)?;
        channel.open_seats += 1;
    }
    for id in &post.closes {
        if let Some(mut row) = t.seat(channel.key, id)?
            && row.closed.is_none()
        {
            row.closed = Some(channel.head);
            t.set_seat(channel.key, &row)?;
            channel.open_seats = channel.open_seats.saturating_sub(1);
        }
    }
    Ok(())
}

fn claim(
    t: &mut dyn Tables,
    channel: &ChannelId,
    seat: &SeatId,
    claim: &Hash,
    token: &Hash,
) -> Result<Outcome> {
    let Some(channel) = t.channel(channel)? else {
        return refused(Code::UnknownChannel);
    };
    let Some(mut row) = t.seat(channel.key, seat)? else {
        return refused(Code::UnknownSeat);
    };
    if !row.claim.is_some_and(|kept| same(&kept, claim)) {
        return refused(Code::WrongClaim);
    }
    if row.closed.is_some() {
        return refused(Code::Closed);
    }
    if let Some(kept) = &row.token {
        return if same(kept, token) { Ok(Outcome::Done) } else { refused(Code::ClaimUsed) };
    }
    row.token = Some(*token);
    t.set_seat(channel.key, &row)?;
    Ok(Outcome::Done)
}

fn acks(t: &mut dyn Tables, cursors: &[Cursor]) -> Result<Outcome> {
    let mut touched = BTreeMap::new();
    for Cursor { channel, seat, cursor } in cursors {
        let Some(row) = t.channel(channel)? else { continue };
        let Some(mut seat) = t.seat(row.key, seat)? else { continue };
        let cursor = (*cursor).min(seat.closed.unwrap_or(row.head));
        if cursor > seat.cursor {
            seat.cursor = cursor;
            t.set_seat(row.key, &seat)?;
            touched.insert(row.key, row);
        }
    }
    let mut floors = Vec::new();
    for mut row in touched.into_values() {
        if raise_floor(t, &mut row)? {
            floors.push((row.channel, row.floor));
            t.set_channel(&row)?;
        }
    }
    Ok(Outcome::Floors(floors))
}

fn raise_floor(t: &mut dyn Tables, row: &mut ChannelRow) -> Result<bool> {
    let read_by_all = t.least_cursor(row.key)?.unwrap_or(row.head);
    let raised = read_by_all > row.floor;
    row.floor = row.floor.max(read_by_all);
    Ok(raised)
}

fn sweep(t: &mut dyn Tables, cutoff: u64, after: i64) -> Result<Outcome> {
    let channels = t.channels_after(after, SWEEP_CHANNELS)?;
    let full = channels.len() == SWEEP_CHANNELS;
    let (mut freed, mut next) = (0, None);
    for mut row in channels {
        let key = row.key;
        let (dropped, more) = sweep_channel(t, &mut row, cutoff)?;
        freed += dropped;
        if more {
            // The same channel again: bounded steps, so that posts get in between.
            return Ok(Outcome::Swept { next: Some(key - 1), freed });
        }
        next = Some(key);
    }
    Ok(Outcome::Swept { next: next.filter(|_| full), freed })
}

fn sweep_channel(t: &mut dyn Tables, row: &mut ChannelRow, cutoff: u64) -> Result<(u64, bool)> {
    let before = (row.floor, row.dropped, row.blob_bytes);
    raise_floor(t, row)?;
    let waiting = t.entries(row.key, row.dropped, SWEEP_ENTRIES)?;
    let gone = |entry: &&EntryRow| entry.number <= row.floor || entry.at < cutoff;
    let last = waiting.iter().take_while(gone).last().map(|entry| entry.number);
    let mut freed = 0;
    if let Some(last) = last {
        t.drop_bodies(row.key, row.dropped, last)?;
        freed = last - row.dropped;
        row.dropped = last;
        row.floor = row.floor.max(last);
    }
    let (blobs, more_blobs) = blobs::sweep(t, row, cutoff)?;
    if before != (row.floor, row.dropped, row.blob_bytes) {
        t.set_channel(row)?;
    }
    Ok((freed + blobs, freed == SWEEP_ENTRIES as u64 || more_blobs))
}

pub(super) fn same(a: &Hash, b: &Hash) -> bool {
    a.ct_eq(b).into()
}
