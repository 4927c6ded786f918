//! What a device does with answers: the fate of its posts, entries in the order of the log, letters.

use super::device::{Device, Disk, Joining, Wish};
use crate::{LabError, Result};
use conclave_protocol::content::Content;
use conclave_protocol::group::{
    Blobs, Body, Entry, Intent, Joined, Joining as UnderWay, Letter, Received, SeatChange, open_letter,
};
use conclave_protocol::{SeatId, Timestamp};
use conclave_wire::v1::{self, seat_change::Change, server_frame};
use rand_chacha::ChaCha20Rng;

/// What comes back from the relay.
#[derive(Clone)]
pub(super) enum Reply {
    Seen { state: Option<v1::SeatState>, entries: Vec<v1::Entry>, letters: Vec<v1::InboxLetter> },
    Claimed(server_frame::Body),
    Posted(server_frame::Body),
    Sent,
}

impl Device {
    /// Takes an answer in; whether there is more to do at once.
    pub(super) fn take(&mut self, reply: Reply, now: u64) -> Result<bool> {
        match reply {
            Reply::Seen { state, entries, letters } => self.seen(state, entries, letters, now),
            Reply::Claimed(body) => self.step(|disk, rng| {
                match body {
                    server_frame::Body::Done(_) => {
                        disk.joining.iter_mut().for_each(|joining| joining.claimed = true);
                    }
                    _ => give_up(disk, rng, now)?,
                }
                Ok(true)
            }),
            Reply::Posted(body) => {
                self.caught_up = false;
                self.step(|disk, rng| {
                    match body {
                        server_frame::Body::Posted(_) => accepted(disk, rng, now)?,
                        server_frame::Body::Stale(_) => refused(disk, rng, now)?,
                        // Where the seat stands will show what is the matter.
                        _ => {}
                    }
                    Ok(true)
                })
            }
            Reply::Sent => self.step(|disk, _| {
                disk.mail.pop_front();
                Ok(true)
            }),
        }
    }

    fn seen(
        &mut self,
        state: Option<v1::SeatState>,
        entries: Vec<v1::Entry>,
        letters: Vec<v1::InboxLetter>,
        now: u64,
    ) -> Result<bool> {
        // An answer to a post may have been lost: where the seat stands shows what became of it.
        let state = state.filter(|state| state.refused.is_empty());
        let stands = state.as_ref().map(|state| (state.head, state.turn));
        let last = state.map(|state| state.last_post);
        let sent = self.disk.outgoing.as_ref().map(|outgoing| outgoing.number);
        if sent.is_some() && sent <= last {
            self.step(|disk, rng| accepted(disk, rng, now))?;
        }
        if let (Some((head, turn)), None, Some(_)) = (stands, &self.disk.joining, self.disk.group) {
            self.stated = Some((head, self.asked_at));
            self.step(|disk, rng| {
                disk.in_group(rng, now, |_, group, cx| group.attached(1, head, turn, cx)).map(drop)
            })?;
        }
        let news = !entries.is_empty();
        for entry in &entries {
            self.step(|disk, rng| match disk.joining.clone() {
                Some(joining) => join(disk, rng, joining, entry, now),
                None => follow(disk, rng, entry, now),
            })?;
        }
        let mail = !letters.is_empty();
        for letter in letters {
            self.step(|disk, rng| {
                disk.letters = letter.number;
                read(disk, rng, &letter.body, now)
            })?;
        }
        self.caught_up = !news && !mail;
        let due = !self.disk.wishes.is_empty() || self.disk.outgoing.is_some() || !self.disk.mail.is_empty();
        Ok(news || mail || due)
    }
}

/// The relay has the post: its entry will settle it.
fn accepted(disk: &mut Disk, rng: &mut ChaCha20Rng, now: u64) -> Result<()> {
    let Some(outgoing) = disk.outgoing.take() else { return Ok(()) };
    disk.posts = outgoing.number;
    if outgoing.wished {
        disk.wishes.pop_front();
    }
    disk.in_group(rng, now, |_, group, cx| group.posted(cx))
}

/// The post came too late: it is sealed again at the new head.
fn refused(disk: &mut Disk, rng: &mut ChaCha20Rng, now: u64) -> Result<()> {
    disk.outgoing = None;
    disk.in_group(rng, now, |_, group, cx| group.refused(cx))
}

fn give_up(disk: &mut Disk, rng: &mut ChaCha20Rng, now: u64) -> Result<()> {
    let Some(joining) = disk.joining.take() else { return Ok(()) };
    Ok(disk.run(rng, now, |_, cx| UnderWay::forget(joining.seat, cx))?)
}

fn follow(disk: &mut Disk, rng: &mut ChaCha20Rng, entry: &v1::Entry, now: u64) -> Result<()> {
    let seats = seats(entry)?;
    let received = disk.in_group(rng, now, |account, group, cx| {
        if group.is_out() || entry.number <= group.cursor() {
            return Ok(None);
        }
        let entry = as_protocol(entry, group.seat(), &seats)?;
        group.receive(account, &entry, cx).map(Some)
    })?;
    if let Some(Received::Message(message)) = &received
        && let Content::Text(text) = &message.content
    {
        disk.history.push((entry.number, text.clone()));
        disk.heard.push((message.person, message.gossip.clone(), message.view));
    }
    Ok(())
}

fn join(disk: &mut Disk, rng: &mut ChaCha20Rng, joining: Joining, entry: &v1::Entry, now: u64) -> Result<()> {
    let seats = seats(entry)?;
    let under_way = disk.run(rng, now, |_, cx| UnderWay::load(joining.seat, cx))?;
    let mut under_way = under_way.ok_or_else(|| LabError::unexpected("no joining under way"))?;
    let entered = disk.run(rng, now, |account, cx| {
        // Groups are too small here for anything to lie apart.
        under_way.receive(account, &as_protocol(entry, &joining.seat, &seats)?, &Blobs::default(), cx)
    })?;
    if let Joined::Needs(_) = entered {
        return Err(LabError::unexpected("a welcome that lies apart"));
    }
    if let Joined::In(entered) = entered {
        let (group, _) = *entered;
        let Joining { seat, token, .. } = joining;
        (disk.group, disk.seat, disk.token, disk.posts) = (Some(*group.id()), seat, token, 0);
        (disk.joining, disk.outgoing, disk.asked) = (None, None, None);
    }
    Ok(())
}

fn read(disk: &mut Disk, rng: &mut ChaCha20Rng, body: &[u8], now: u64) -> Result<()> {
    let before = disk.vault.clone();
    match disk.run(rng, now, |account, cx| open_letter(account, body, cx)) {
        Ok(Letter::Invitation(invitation)) => {
            let (seat, claim) = (invitation.seat, invitation.claim);
            let token = disk.run(rng, now, |_, cx| {
                UnderWay::begin(invitation, cx)?;
                Ok(cx.random())
            })?;
            disk.joining = Some(Joining { seat, claim, token, claimed: false });
        }
        Ok(Letter::Rejoin { request, .. }) => {
            // The wish that is under way stays the first.
            let under_way = disk.outgoing.as_ref().is_some_and(|outgoing| outgoing.wished);
            disk.wishes.insert(usize::from(under_way), Wish::Change(Intent::Readmit(request.into())));
        }
        Ok(_) | Err(conclave_protocol::Error::Peer(_)) => disk.vault = before,
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

fn as_protocol<'a>(
    entry: &'a v1::Entry,
    own: &SeatId,
    seats: &'a [SeatChange],
) -> conclave_protocol::Result<Entry<'a>> {
    let seat = SeatId::try_from(entry.seat.as_ref())?;
    let body = match (entry.expired, entry.shared.is_empty()) {
        (true, _) => Body::Expired,
        (false, false) => Body::Whole(&entry.shared),
        (false, true) if seat == *own => Body::Own,
        (false, true) => Body::Before,
    };
    let hash = conclave_protocol::Digest::try_from(entry.hash.as_ref())?.0;
    let (number, turn, at, slice) = (entry.number, entry.turn, Timestamp(entry.at), &entry.slice);
    Ok(Entry { number, turn, seat, hash, body, slice, at, seats })
}

fn seats(entry: &v1::Entry) -> Result<Vec<SeatChange>> {
    let changes = entry.seats.iter().filter_map(|change| change.change.as_ref());
    changes
        .map(|change| {
            Ok(match change {
                Change::Open(open) => SeatChange::Open {
                    seat: SeatId::try_from(open.seat.as_ref())?,
                    claim_hash: conclave_protocol::Digest::try_from(open.claim_hash.as_ref())?.0,
                    after: open.after,
                },
                Change::Close(seat) => SeatChange::Close(SeatId::try_from(seat.as_ref())?),
            })
        })
        .collect()
}
