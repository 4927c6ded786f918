//! The key log's tables.

use super::*;
use crate::storage::log::{self, EpochOp, LoggedRow, Position, WaitingRow};

fn epoch(op: EpochOp) -> Op {
    Op::Epoch(Box::new(op))
}

fn root(at: Position) -> Op {
    epoch(EpochOp { root: Some((at, bytes(at))), ..EpochOp::default() })
}

fn bytes((incarnation, epoch): Position) -> Bytes {
    format!("root {incarnation} {epoch}").into()
}

fn row(name: &str, epoch: u64, version: u64) -> LoggedRow {
    LoggedRow {
        name: name.into(),
        epoch,
        version,
        value: vec![version as u8; 64].into(),
        place: [epoch as u8; 32],
        device_list: format!("list {version}").into(),
    }
}

fn list(n: u8, list: &'static str) -> Op {
    Op::Publish(Box::new(PublishOp {
        device: device(n),
        device_list: list.into(),
        device_key: None,
        devices: Vec::new(),
        identity_key: Bytes::new(),
        next_identity: NextIdentity::Nothing,
        at: 0,
        keys: KeysOp::default(),
    }))
}

async fn names(storage: &dyn Storage) -> Vec<String> {
    log::waiting(storage, 10).await.unwrap().into_iter().map(|row| row.name).collect()
}

#[test]
fn who_registers_or_has_another_list_waits_until_just_that_is_in_the_log() {
    over_each(async |storage| {
        for n in [1, 2] {
            one(&*storage, register(n, KeysOp::default())).await;
        }
        let waiting = log::waiting(&*storage, 10).await.unwrap();
        let wanted = |n: u8| WaitingRow {
            key: n.into(),
            name: format!("name{n}"),
            person: [n; 32],
            device_list: vec![n; 3].into(),
        };
        assert_eq!(waiting, [wanted(1), wanted(2)]);
        assert_eq!(log::waiting(&*storage, 1).await.unwrap(), [wanted(1)]);
        assert!(log::is_waiting(&*storage, vec!["name9".into(), "name2".into()]).await.unwrap());
        // The list of one changes while the epoch is made.
        one(&*storage, list(2, "another")).await;
        let brought = epoch(EpochOp { brought: waiting, ..EpochOp::default() });
        assert_eq!(one(&*storage, brought).await, Outcome::Done);
        assert_eq!(names(&*storage).await, ["name2"]);
        assert!(!log::is_waiting(&*storage, vec!["name1".into(), "name9".into()]).await.unwrap());
        one(&*storage, list(1, "new")).await;
        assert_eq!(names(&*storage).await, ["name1", "name2"]);
        // What is published without a list leaves the log alone.
        let waiting = log::waiting(&*storage, 10).await.unwrap();
        one(&*storage, epoch(EpochOp { brought: waiting, ..EpochOp::default() })).await;
        one(&*storage, list(1, "")).await;
        assert!(names(&*storage).await.is_empty());
        assert_eq!(log::name_of(&*storage, device(2)).await.unwrap().as_deref(), Some("name2"));
        assert_eq!(log::name_of(&*storage, device(9)).await.unwrap(), None);
    });
}

#[test]
fn a_root_is_only_added_behind_all_others() {
    over_each(async |storage| {
        assert_eq!(log::root(&*storage, None).await.unwrap(), None);
        for at in [(1, 0), (1, 1), (2, 1), (2, 2)] {
            assert_eq!(one(&*storage, root(at)).await, Outcome::Done, "{at:?}");
            assert_eq!(log::root(&*storage, None).await.unwrap(), Some(bytes(at)));
        }
        for at in [(2, 2), (2, 1), (1, 2), (1, 0), (2, 0), (1, 9)] {
            let nodes = vec![("key".into(), "body".into())];
            let op = EpochOp { root: Some((at, "other".into())), nodes, ..EpochOp::default() };
            assert_eq!(one(&*storage, epoch(op)).await, Outcome::Refused(Code::Unavailable.into()), "{at:?}");
        }
        assert_eq!(log::nodes(&*storage, vec!["key".into()]).await.unwrap(), [None], "all or nothing");
        assert_eq!(log::root(&*storage, Some((1, 1))).await.unwrap(), Some(bytes((1, 1))));
        for absent in [(1, 2), (3, 0), (u64::MAX, u64::MAX)] {
            assert_eq!(log::root(&*storage, Some(absent)).await.unwrap(), None);
        }
        let cosign = |at, n: u8| Op::Cosign { at, witness: [n; 32], cosignature: vec![n; 96].into() };
        for n in [2, 1, 2] {
            assert_eq!(one(&*storage, cosign((2, 1), n)).await, Outcome::Done);
        }
        assert_eq!(one(&*storage, cosign((3, 1), 1)).await, Outcome::Refused(Code::UnknownEpoch.into()));
        let said = [1, 2].map(|n| Bytes::from(vec![n; 96]));
        assert_eq!(log::cosignatures(&*storage, (2, 1)).await.unwrap(), said);
        assert!(log::cosignatures(&*storage, (2, 2)).await.unwrap().is_empty());
        let after = |at, most| log::roots_after(&*storage, at, most);
        let rest = [(1, 1), (2, 1), (2, 2)].map(bytes);
        assert_eq!(after((1, 0), 9).await.unwrap(), rest);
        assert_eq!(after((1, 7), 1).await.unwrap(), rest[1..2]);
        assert_eq!(after((0, 0), 9).await.unwrap().len(), 4);
        assert!(after((2, u64::MAX), 9).await.unwrap().is_empty());
        assert!(after((2, 2), 9).await.unwrap().is_empty());
    });
}

#[test]
fn records_versions_and_growth_are_kept() {
    over_each(async |storage| {
        let node = |key: &'static str, body: &'static str| (Bytes::from(key), Bytes::from(body));
        let op = EpochOp {
            nodes: vec![node("", "state"), node("a", "one"), node("b", "two")],
            logged: vec![row("mike", 1, 1), row("sean", 1, 1)],
            ..EpochOp::default()
        };
        one(&*storage, epoch(op)).await;
        let op = EpochOp {
            nodes: vec![node("", "state 2"), node("a", "three")],
            logged: vec![row("mike", 4, 2)],
            ..EpochOp::default()
        };
        one(&*storage, epoch(op)).await;
        let keys = ["", "c", "b", "a"].map(Bytes::from).to_vec();
        let found = log::nodes(&*storage, keys).await.unwrap();
        assert_eq!(found, [Some("state 2".into()), None, Some("two".into()), Some("three".into())]);
        let bare = |row: LoggedRow| LoggedRow { device_list: Bytes::new(), ..row };
        let people = ["mike", "nobody", "sean"].map(String::from).to_vec();
        for (up_to, version) in
            [(3, row("mike", 1, 1)), (4, row("mike", 4, 2)), (u64::MAX, row("mike", 4, 2))]
        {
            let found = log::logged(&*storage, people.clone(), up_to).await.unwrap();
            assert_eq!(found, [bare(version), bare(row("sean", 1, 1))]);
        }
        assert!(log::logged(&*storage, people, 0).await.unwrap().is_empty());
        let history = log::history(&*storage, "mike".into()).await.unwrap();
        assert_eq!(history, [row("mike", 1, 1), row("mike", 4, 2)]);
        assert_eq!(log::step(&*storage, 1).await.unwrap(), None);
        one(&*storage, Op::Growth { epoch: 1, step: "grew".into() }).await;
        assert_eq!(log::step(&*storage, 1).await.unwrap(), Some("grew".into()));
    });
}
