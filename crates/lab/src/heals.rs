//! The table of heals and large groups. What is measured stands in `costs::healing` and `costs::group`.

use crate::Result;
use crate::costs::group::GroupBench;
use crate::costs::healing::{self, Creation, Heal};
use crate::figures::Figure;
use crate::measure::{Extent, Spread, progress};
use crate::room::Room;
use conclave_protocol::group::Scheme;

/// People added by one commit when a group is made at once.
const AT_ONCE: usize = 250;
/// So many come into a large tree at once, the last of whom brings in the next.
const STEP: usize = 64;

/// All lines, for groups of at most so many.
pub fn heals(most: usize, extent: Extent) -> Result<Vec<Figure>> {
    let sizes = |all: &[usize]| all.iter().copied().filter(|size| *size <= most).collect::<Vec<_>>();
    let classic = sizes(extent.pick(&[2, 10, 50, 250, 1000], &[3]));
    let mut table = Vec::new();
    for (scheme, most) in [(Scheme::Pairwise, 250), (Scheme::SenderKeys, 1000)] {
        for people in classic.iter().copied().filter(|people| *people <= most) {
            progress(&format!("{scheme}, {people} devices"), 1, 1);
            let mut room = Room::open(scheme, people, false)?;
            let heal = healing::heals(&mut room, people, extent)?;
            table.push(classic_heal(scheme, &heal));
            if people == 1000 {
                table.push(removal(people, healing::removal(&mut room)?));
                table.extend(message(scheme, people, room, extent)?);
            }
        }
    }
    let large = sizes(extent.pick(&[10_000], &[]));
    let trees =
        classic.into_iter().map(|people| (people, 1)).chain(large.into_iter().map(|people| (people, STEP)));
    for (people, at_once) in trees {
        let shape = if at_once == 1 { "every node filled" } else { "filled in steps of 64" };
        progress(&format!("tree, {people} devices, {shape}"), 1, 1);
        let mut room = Room::grown(Scheme::Tree, people, at_once)?;
        let heal = healing::heals(&mut room, people, extent)?;
        table.push(tree_heal(shape, &heal));
        if people >= 1000 {
            table.extend(message(Scheme::Tree, people, room, extent)?);
        }
    }
    for people in sizes(extent.pick(&[50, 250, 1000], &[4])) {
        progress(&format!("tree, {people} devices added at once"), 1, 1);
        table.push(creation(&healing::creation(Scheme::Tree, people, AT_ONCE)?));
    }
    Ok(table)
}

fn classic_heal(scheme: Scheme, heal: &Heal) -> Figure {
    let goal = match (scheme, heal.people) {
        (Scheme::SenderKeys, 50) => Some((62_000, 5.0, "≤ 62 kB up, ≤ 2.8 kB down, ≤ 5 ms")),
        (Scheme::SenderKeys, 1000) => Some((1_250_000, 100.0, "≤ 1.25 MB up, ≤ 2.8 kB down, ≤ 100 ms")),
        _ => None,
    };
    let reached =
        goal.map(|(up, ms, _)| heal.up <= up && heal.down <= 2_800 && heal.made.median <= ms * 1000.0);
    Figure {
        name: format!("heal, {scheme}, {} devices", heal.people),
        measured: told(heal),
        reach: goal.map_or("–", |(.., text)| text),
        anchor: "a wrap for each device".into(),
        reached,
    }
}

fn tree_heal(shape: &str, heal: &Heal) -> Figure {
    let bare = heal.bare.map(|(made, followed)| {
        let ratios = (heal.made.median / made.median, heal.followed.median / followed.median);
        (ratios, format!("mls-rs alone, loaded and written, here {} / {}", millis(made), millis(followed)))
    });
    let large = heal.people == 1000;
    let reached = bare.as_ref().filter(|_| large).map(|((one, other), _)| {
        let in_time = heal.made.median <= 30_000.0 && heal.followed.median <= 8_000.0;
        heal.up <= 25_000 && in_time && *one <= 1.2 && *other <= 1.2
    });
    let ratios = bare
        .as_ref()
        .map_or(String::new(), |((one, other), _)| format!("; {one:.2} / {other:.2} × mls-rs alone"));
    Figure {
        name: format!("heal, tree, {} devices, {shape}", heal.people),
        measured: told(heal) + &ratios,
        reach: if large { "≤ 25 kB, ≤ 30 / 8 ms, ≤ 1.2 × mls-rs alone" } else { "–" },
        anchor: bare.map_or(String::new(), |(_, anchor)| anchor),
        reached,
    }
}

fn removal(people: usize, (up, down): (usize, usize)) -> Figure {
    Figure {
        name: format!("removal, sender-keys, {people} devices"),
        measured: format!("{} up, {} down a member", bytes(up), bytes(down)),
        reach: "≤ 1.25 MB in all",
        anchor: "200 MB where every sender hands out anew".into(),
        reached: Some(up <= 1_250_000),
    }
}

fn message(scheme: Scheme, people: usize, mut room: Room, extent: Extent) -> Result<Vec<Figure>> {
    let up = room.exchange(&"x".repeat(1024))?;
    let mut bench = GroupBench::of(room, people, extent);
    let (written, run) = (bench.written()?, bench.run()?);
    Ok(vec![Figure {
        name: format!("message of 1 KiB, {scheme}, {people} devices"),
        measured: format!(
            "{} up, {} / {} of rows sent / received; sealed / opened in {:.0} / {:.0} µs",
            bytes(up),
            bytes(written.sent),
            bytes(written.received),
            run.seal,
            run.open
        ),
        reach: "one upload ≤ 1.3 kB, ≤ 4 kB of rows, ≤ 40 / 50 µs",
        anchor: "MLS in OpenMLS or mls-rs: 1.2 kB, its whole state written".into(),
        reached: Some(
            up <= 1_300
                && written.sent.max(written.received) <= 4_000
                && run.seal <= 40.0
                && run.open <= 50.0,
        ),
    }])
}

fn creation(made: &Creation) -> Figure {
    let large = made.people == 1000;
    let in_reach = made.seconds <= 3.0 && made.up <= 10_000_000 && made.join <= 0.3;
    Figure {
        name: format!("a group of {} by tree, {AT_ONCE} in a commit", made.people),
        measured: format!(
            "{:.2} s, {} up in all; the last downloads {}, joins in {:.3} s",
            made.seconds,
            bytes(made.up),
            bytes(made.down),
            made.join
        ),
        reach: if large { "≤ 3 s, ≤ 10 MB; joins in ≤ 0.3 s" } else { "–" },
        anchor: "roster and tree once for all of a commit".into(),
        reached: large.then_some(in_reach),
    }
}

fn told(heal: &Heal) -> String {
    let (up, down) = (bytes(heal.up), bytes(heal.down));
    let rows = (bytes(heal.rows.0), bytes(heal.rows.1));
    let (made, followed) = (millis(heal.made), millis(heal.followed));
    format!(
        "{made} / {followed} made / followed; {up} up, {down} down a member; rows {} / {}",
        rows.0, rows.1
    )
}

fn millis(spread: Spread) -> String {
    let Spread { min, median, max } = spread.map(|micros| micros / 1000.0);
    format!("{median:.1} ms ({min:.1}–{max:.1})")
}

fn bytes(count: usize) -> String {
    match count {
        0..10_000 => format!("{:.2} kB", count as f64 / 1e3),
        10_000..1_000_000 => format!("{:.0} kB", count as f64 / 1e3),
        _ => format!("{:.2} MB", count as f64 / 1e6),
    }
}
