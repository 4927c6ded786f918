//! A kept transcript of each released format: what a device held, the log that it then took in, what came of it.
//!
//! A later version must read it as this one did; where it can't, the format's version rises and the old one is refused by
//! name. Transcripts are never rewritten: `CONCLAVE_KEEP_TRANSCRIPT=1` writes only those that are not there yet.

use super::super::world::Kept;
use super::*;
use crate::content::Content;
use crate::testing::Bench;
use crate::vault::Row;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::PathBuf;

const READER: usize = 1;

/// Lines of a transcript: `row KEY VALUE`, `group ID`, `seat ID`, `entry TURN SEAT SHARED SLICE SEATS`, `came WHAT`.
struct Transcript {
    rows: Vec<(Vec<u8>, Vec<u8>)>,
    group: GroupId,
    seat: SeatId,
    log: Vec<Kept>,
    came: Vec<String>,
}

#[test]
fn the_transcripts_of_every_release_are_still_read() {
    over_every_scheme(|scheme| {
        let path = path(1, scheme);
        if std::env::var_os("CONCLAVE_KEEP_TRANSCRIPT").is_some() && !path.exists() {
            std::fs::write(&path, played(scheme).written()).unwrap();
        }
        let kept = Transcript::read(&std::fs::read_to_string(&path).unwrap());
        assert!(
            kept.came.len() == kept.log.len() && kept.came.iter().any(|came| came.starts_with("message"))
        );
        assert_eq!(kept.replayed().0, kept.came, "{}", path.display());
    });
}

#[test]
fn what_is_played_today_reads_itself() {
    over_every_scheme(|scheme| {
        let today = played(scheme);
        let again = Transcript::read(&today.written());
        assert_eq!(again.replayed().0, today.came);
        let mut altered = again;
        *altered.log.last_mut().unwrap().shared.last_mut().unwrap() ^= 1;
        assert_ne!(altered.replayed().0, today.came, "a transcript that cannot fail shows nothing");
    });
}

/// Handshakes, chats both ways, heals, a newcomer, a removal, a new name.
fn played(scheme: Scheme) -> Transcript {
    let mut world = World::new(scheme, &["mike", "sean", "steve", "dave"], 1);
    let reader = world.people[READER].clone();
    let before = world.log.len();
    let (steve, dave) = (world.people[2].person(), world.people[3].person());
    world.say(0, "first, with a handshake");
    world.say(2, "hello from steve");
    changed(&mut world, &Intent::Heal);
    world.say(0, "after a heal");
    changed(&mut world, &Intent::Rename("Journey".as_bytes().into()));
    changed(&mut world, &Intent::Add(vec![dave]));
    world.say(3, "hello from dave");
    changed(&mut world, &Intent::Remove(vec![steve]));
    world.say(0, "without steve");
    let log = world.log[before..].to_vec();
    let rows = rows(&reader.bench);
    let mut transcript =
        Transcript { rows, group: reader.group.unwrap(), seat: reader.seat, log, came: Vec::new() };
    let (came, left) = transcript.replayed();
    transcript.came = came;
    // Prekeys that nobody used are of no use to a reader.
    transcript.rows.retain(|(key, _)| {
        let spare =
            key.first() == Some(&(Row::OneTimePrekey as u8)) || key.first() == Some(&(Row::JoinKey as u8));
        !spare || !left.contains(key)
    });
    transcript
}

fn changed(world: &mut World, intent: &Intent) {
    world.sync_all();
    world.change(0, intent).unwrap();
    world.sync_all();
}

fn rows(bench: &Bench) -> Vec<(Vec<u8>, Vec<u8>)> {
    let found = crate::Vault::scan(&bench.vault, &[]).unwrap();
    found.into_iter().map(|found| (found.key, found.value.to_vec())).collect()
}

fn path(version: u32, scheme: Scheme) -> PathBuf {
    let name = format!("transcript-{version}-{scheme}.txt");
    [env!("CARGO_MANIFEST_DIR"), "../../vectors", &name].iter().collect()
}

fn told(received: &Received) -> String {
    match received {
        Received::Message(message) => {
            let Content::Text(text) = &message.content else { panic!("a text") };
            format!("message epoch {} {:?} gap {}: {text}", message.epoch, message.view, message.gap)
        }
        Received::Committed { changes, epoch, seats_differ, .. } => {
            format!("commit epoch {epoch}, {} changes, seats differ {seats_differ}", changes.len())
        }
        other => format!("{other:?}"),
    }
}

impl Transcript {
    /// What comes of the log, and the rows that are there at the end.
    fn replayed(&self) -> (Vec<String>, BTreeSet<Vec<u8>>) {
        let mut bench = Bench::new(1);
        self.rows.iter().for_each(|(key, value)| crate::Vault::put(&mut bench.vault, key, value).unwrap());
        let account = Account::load(&mut bench.cx()).unwrap();
        let mut came = Vec::new();
        for kept in &self.log {
            let mut group = Group::load(&self.group, &mut bench.cx()).unwrap();
            let entry = kept.entry(group.cursor() + 1, self.seat);
            let received = bench.step(|cx| group.receive(&account, &entry, cx)).unwrap();
            came.push(told(&received));
        }
        (came, rows(&bench).into_iter().map(|(key, _)| key).collect())
    }

    fn written(&self) -> String {
        let mut out = String::new();
        for (key, value) in &self.rows {
            writeln!(out, "row {} {}", hex::encode(key), hex::encode(value)).unwrap();
        }
        let (group, seat) = (hex::encode(self.group.as_bytes()), hex::encode(self.seat.as_bytes()));
        writeln!(out, "group {group}\nseat {seat}").unwrap();
        for (kept, came) in self.log.iter().zip(&self.came) {
            let slice = kept.slices.get(&self.seat).map_or("-".into(), hex::encode);
            let (seat, shared) = (hex::encode(kept.seat.as_bytes()), hex::encode(&kept.shared));
            write!(out, "entry {} {seat} {shared} {slice}", kept.turn).unwrap();
            for change in &kept.seats {
                match change {
                    SeatChange::Open { seat, claim_hash, after } => {
                        let (seat, claim) = (hex::encode(seat.as_bytes()), hex::encode(claim_hash));
                        write!(out, " open:{seat}:{claim}:{after}").unwrap();
                    }
                    SeatChange::Close(seat) => {
                        write!(out, " close:{}", hex::encode(seat.as_bytes())).unwrap()
                    }
                }
            }
            writeln!(out, "\ncame {came}").unwrap();
        }
        out
    }

    fn read(text: &str) -> Self {
        let (mut rows, mut log, mut came) = (Vec::new(), Vec::new(), Vec::new());
        let (mut group, mut own_seat) = (None, None);
        for line in text.lines() {
            let (kind, rest) = line.split_once(' ').unwrap();
            let words: Vec<&str> = rest.split(' ').collect();
            match kind {
                "row" => rows.push((bytes(words[0]), bytes(words[1]))),
                "group" => group = Some(GroupId(fixed(rest))),
                "seat" => own_seat = Some(SeatId(fixed(rest))),
                "entry" => log.push(entry(&words, own_seat.unwrap())),
                "came" => came.push(rest.to_owned()),
                _ => panic!("an unknown line: {kind}"),
            }
        }
        Self { rows, group: group.unwrap(), seat: own_seat.unwrap(), log, came }
    }
}

fn entry(words: &[&str], own_seat: SeatId) -> Kept {
    let slice = (words[3] != "-").then(|| (own_seat, bytes(words[3])));
    let seats = words[4..].iter().map(|change| seat_change(change)).collect();
    let (turn, seat) = (words[0].parse().unwrap(), SeatId(fixed(words[1])));
    Kept { turn, seat, shared: bytes(words[2]), slices: slice.into_iter().collect(), seats }
}

fn seat_change(written: &str) -> SeatChange {
    match written.split(':').collect::<Vec<_>>()[..] {
        ["open", seat, claim, after] => SeatChange::Open {
            seat: SeatId(fixed(seat)),
            claim_hash: fixed(claim),
            after: after.parse().unwrap(),
        },
        ["close", seat] => SeatChange::Close(SeatId(fixed(seat))),
        _ => panic!("no change of a seat: {written}"),
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    hex::decode(hex).unwrap()
}

fn fixed<const N: usize>(hex: &str) -> [u8; N] {
    bytes(hex).try_into().unwrap()
}
