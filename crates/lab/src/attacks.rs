//! What a theft costs: messages that open after it, per scheme, in simulated hours of usual talk, beside controls.
//!
//! Times are virtual; whether the thief is right about what opens is shown in `tests/thefts.rs`.

use crate::Result;
use crate::simulator::{Deed, What, World};
use crate::thief::attack;
use conclave_protocol::group::Scheme;
use std::fmt::Write as _;

/// Every scheme; a new one joins here.
pub const SCHEMES: [Scheme; 3] = Scheme::ALL;

const MEMBERS: usize = 4;
const VICTIM: usize = 1;
/// Somebody says something so often.
const PAUSE: u64 = 5 * 60_000;
/// The victim says something every so many messages.
const ROUND: u64 = MEMBERS as u64;
/// Messages after the theft: some four hours.
const MESSAGES: u64 = 48;

/// Who heals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Healing {
    /// Every device before it speaks, once it is due: what is shipped.
    Usual,
    /// Everybody but the victim: a control.
    NotTheVictim,
    /// Nobody: a control.
    Nobody,
}

/// What one theft came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Messages said before the theft that its keys opened.
    pub before: usize,
    /// Messages said after it that opened, of [`Damage::said`].
    pub after: usize,
    /// Messages said after it.
    pub said: usize,
    /// Milliseconds from the theft to the last message that opened.
    pub span: u64,
}

/// A group talks; one member's disk is copied; the group talks on.
pub fn theft(scheme: Scheme, healing: Healing, seed: u64) -> Result<Damage> {
    let mut world = World::new(scheme, MEMBERS, 0, seed)?;
    for (who, device) in world.devices.iter_mut().enumerate() {
        device.heals = match healing {
            Healing::Usual => true,
            Healing::NotTheVictim => who != VICTIM,
            Healing::Nobody => false,
        };
    }
    // Everybody has spoken, and healed as far as it does; the theft comes at some time between two heals of the victim.
    talk(&mut world, ROUND * (3 + seed % 5))?;
    let (at, place) = (world.now(), world.tape.entries.len() as u64);
    world.act(VICTIM, Deed::Steal)?;
    talk(&mut world, MESSAGES)?;
    let haul = attack(&world.loot, &world.tape)?;
    let after = haul.opened.iter().filter(|number| **number > place);
    let last = after.clone().next_back().and_then(|number| world.tape.after(number - 1).first());
    Ok(Damage {
        before: haul.opened.len() - after.clone().count(),
        after: after.count(),
        said: world.tape.after(place).iter().filter(|kept| matches!(kept.what, What::Said(_))).count(),
        span: last.map_or(0, |kept| kept.at.saturating_sub(crate::simulator::START + at)),
    })
}

fn talk(world: &mut World, messages: u64) -> Result<()> {
    for n in 0..messages {
        world.pass(PAUSE);
        world.act((n % ROUND) as usize, Deed::Say(format!("{n}")))?;
    }
    Ok(())
}

/// A table over all schemes and ways of healing, each with these many seeds from the first on.
pub fn table(first: u64, seeds: u64) -> Result<String> {
    let mut table = String::from(
        "| scheme | who heals | opened from before | opened after the theft | last of them, min after it | stated at most |\n\
         |---|---|---|---|---|---|\n",
    );
    for scheme in SCHEMES {
        for healing in [Healing::Usual, Healing::NotTheVictim, Healing::Nobody] {
            let thefts = (first..first + seeds).map(|seed| theft(scheme, healing, seed));
            let thefts = thefts.collect::<Result<Vec<_>>>()?;
            let most = |of: fn(&Damage) -> u64| thefts.iter().map(of).max().unwrap_or_default();
            let (who, stated) = match healing {
                Healing::Usual => ("every device", "60, and until the victim speaks"),
                Healing::NotTheVictim => ("all but the victim", "–"),
                Healing::Nobody => ("nobody", "–"),
            };
            let (before, after) = (most(|one| one.before as u64), most(|one| one.after as u64));
            let (said, span) = (most(|one| one.said as u64), most(|one| one.span) / 60_000);
            // Writing to a string never fails.
            let _ =
                writeln!(table, "| {scheme} | {who} | {before} | {after} of {said} | {span} | {stated} |");
        }
    }
    Ok(table)
}
