#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use brigade_codec::Bytes;

use super::*;

const ANN: ClientId = 1;
const BOB: ClientId = 2;
const START: Moment = Duration::ZERO;

fn store() -> Store {
    let mut store = Store::new();
    store.connect(ANN);
    store.connect(BOB);
    store
}

fn list(store: &mut Store, client: ClientId) -> ObjectId {
    store.create(client, Body::List(List::default())).unwrap()
}

fn map(store: &mut Store, client: ClientId) -> ObjectId {
    store.create(client, Body::Map(Map::default())).unwrap()
}

fn key(text: &str) -> Bytes {
    Bytes(text.as_bytes().to_vec())
}

fn datum(text: &str) -> Datum {
    Datum { bytes: key(text), references: Vec::new() }
}

fn reference(object: ObjectId) -> Datum {
    Datum { bytes: Bytes::default(), references: vec![object] }
}

fn push(store: &mut Store, into: ObjectId, datum: Datum) {
    store.list(ANN, into, ListRequest::Extend(vec![datum])).unwrap();
}

#[test]
fn an_object_goes_with_its_last_reference() {
    let mut store = store();
    let object = list(&mut store, ANN);
    store.claim(BOB, object, Kind::List, None).unwrap();
    store.release(ANN, object);
    assert_eq!(store.len(), 1);
    store.release(BOB, object);
    assert_eq!(store.len(), 0);
    assert_eq!(store.take_dropped(), [object]);
    let gone = store.list(ANN, object, ListRequest::Len);
    assert!(matches!(gone, Err(Refusal::NoObject)));
}

#[test]
fn a_release_of_what_one_does_not_hold_changes_nothing() {
    let mut store = store();
    let object = list(&mut store, ANN);
    store.release(BOB, object);
    store.release(BOB, ObjectId(999));
    store.release(BOB, NAMES);
    assert_eq!(store.len(), 1);
    assert!(store.map(BOB, NAMES, MapRequest::Len).is_ok());
}

#[test]
fn a_client_is_gone_with_its_last_connection_and_so_is_what_it_held() {
    let mut store = store();
    store.connect(ANN);
    list(&mut store, ANN);
    store.disconnect(ANN, START);
    assert_eq!(store.len(), 1);
    store.disconnect(ANN, START);
    assert_eq!(store.len(), 0);
    // A connection that ends once more is nobody's.
    store.disconnect(ANN, START);
}

#[test]
fn a_pledge_keeps_the_object_until_the_message_is_read_whoever_dropped_it_first() {
    let mut store = store();
    let object = list(&mut store, ANN);
    store.pledge(ANN, object, 7).unwrap();
    store.release(ANN, object);
    assert_eq!(store.len(), 1);
    store.claim(BOB, object, Kind::List, Some(7)).unwrap();
    // A message that is read twice finds the object as long as the first reader has it.
    store.claim(BOB, object, Kind::List, Some(7)).unwrap();
    store.release(BOB, object);
    store.release(BOB, object);
    assert_eq!(store.len(), 0);
    let late = store.claim(BOB, object, Kind::List, Some(7));
    assert!(matches!(late, Err(Refusal::NoObject)));
}

#[test]
fn a_pledge_of_a_dead_client_lapses_after_a_while_and_not_before() {
    let mut store = store();
    let object = list(&mut store, ANN);
    store.pledge(ANN, object, 7).unwrap();
    store.disconnect(ANN, START);
    store.expire(GRACE - Duration::from_millis(1));
    assert_eq!(store.len(), 1);
    store.expire(GRACE);
    assert_eq!(store.len(), 0);
}

#[test]
fn a_living_clients_pledge_does_not_lapse() {
    let mut store = store();
    let object = list(&mut store, ANN);
    store.pledge(ANN, object, 7).unwrap();
    store.expire(Duration::MAX);
    store.release(ANN, object);
    assert_eq!(store.len(), 1);
}

#[test]
fn a_value_in_a_container_keeps_what_it_refers_to() {
    let mut store = store();
    let (outer, inner) = (list(&mut store, ANN), list(&mut store, ANN));
    push(&mut store, outer, reference(inner));
    store.release(ANN, inner);
    assert_eq!(store.len(), 2);
    // Whoever takes it out holds it from then on.
    let popped = store.list(BOB, outer, ListRequest::Pop).unwrap();
    assert!(matches!(popped, Reply::Datum(Some(it)) if it.references == [inner]));
    assert_eq!(store.len(), 2);
    store.release(BOB, inner);
    assert_eq!(store.len(), 1);
}

#[test]
fn every_way_out_of_a_container_lets_go_of_the_reference() {
    let ways = [
        ListRequest::Set(0, datum("x")),
        ListRequest::Truncate(0),
        ListRequest::Exchange { index: 0, expected: Bytes::default(), datum: datum("x") },
    ];
    for way in ways {
        let mut store = store();
        let (outer, inner) = (list(&mut store, ANN), list(&mut store, ANN));
        push(&mut store, outer, reference(inner));
        store.release(ANN, inner);
        store.list(ANN, outer, way.clone()).unwrap();
        assert_eq!(store.len(), 1, "{way:?}");
    }
    let exchange =
        |datum| MapRequest::Exchange { key: key("k"), expected: Some(Bytes::default()), datum };
    let ways = [MapRequest::Clear, exchange(None), exchange(Some(datum("x")))];
    for way in ways {
        let mut store = store();
        let (outer, inner) = (map(&mut store, ANN), list(&mut store, ANN));
        store.map(ANN, outer, MapRequest::Insert(key("k"), reference(inner))).unwrap();
        store.release(ANN, inner);
        store.map(ANN, outer, way.clone()).unwrap();
        assert_eq!(store.len(), 1, "{way:?}");
    }
}

#[test]
fn a_value_that_was_not_taken_is_not_counted() {
    let mut store = store();
    let (outer, inner) = (list(&mut store, ANN), list(&mut store, ANN));
    let refused = store.list(ANN, outer, ListRequest::Set(3, reference(inner)));
    assert!(matches!(refused, Err(Refusal::OutOfRange { length: 0 })));
    push(&mut store, outer, datum("x"));
    let conflict = ListRequest::Exchange { index: 0, expected: key("y"), datum: reference(inner) };
    assert!(matches!(store.list(ANN, outer, conflict), Ok(Reply::Conflict)));
    store.release(ANN, inner);
    assert_eq!(store.len(), 1);
}

#[test]
fn a_value_may_not_refer_to_what_is_not_there() {
    let mut store = store();
    let outer = list(&mut store, ANN);
    let refused = store.list(ANN, outer, ListRequest::Extend(vec![reference(ObjectId(99))]));
    assert!(matches!(refused, Err(Refusal::NoObject)));
    let refused = store.create(ANN, Body::Value(Some((0, reference(ObjectId(99))))));
    assert!(matches!(refused, Err(Refusal::NoObject)));
    assert!(matches!(store.list(ANN, outer, ListRequest::Len), Ok(Reply::Length(0))));
}

/// MGR-03: a list that contains itself can be dropped.
#[test]
fn rings_go_when_enough_of_them_were_let_go() {
    let mut store = store();
    let kept = list(&mut store, ANN);
    let leaf = list(&mut store, ANN);
    push(&mut store, kept, reference(leaf));
    store.release(ANN, leaf);
    for _ in 0..SUSPECTS {
        let (one, two) = (list(&mut store, ANN), list(&mut store, ANN));
        for (from, to) in [(one, one), (one, two), (two, one), (two, kept)] {
            push(&mut store, from, reference(to));
        }
        store.release(ANN, one);
        store.release(ANN, two);
    }
    assert!(store.len() < SUSPECTS, "{} objects are left", store.len());
    assert!(store.list(ANN, leaf, ListRequest::Len).is_ok(), "what is in a kept list stays");
    store.release(ANN, kept);
    assert!(store.objects.get(&kept).is_none_or(|kept| kept.outside == 0));
}

#[test]
fn a_value_that_is_kept_here_lets_go_of_what_the_one_before_referred_to() {
    let mut store = store();
    let inner = list(&mut store, ANN);
    let value = store.create(ANN, Body::Value(Some((0, reference(inner))))).unwrap();
    store.release(ANN, inner);
    let (version, far) = store.far(BOB, value).unwrap();
    assert_eq!((version, far.references), (0, vec![inner]));
    store.set_far(value, None);
    assert_eq!(store.len(), 2, "the reader has a reference");
    store.release(BOB, inner);
    assert_eq!(store.len(), 1);
    assert_eq!(store.far(BOB, value), None);
}

#[test]
fn an_operation_of_another_kind_is_refused() {
    let mut store = store();
    let object = map(&mut store, ANN);
    let refused = store.list(ANN, object, ListRequest::Len);
    assert!(matches!(refused, Err(Refusal::WrongKind { expected: Kind::List })));
    let refused = store.claim(ANN, object, Kind::Counter, None);
    assert!(matches!(refused, Err(Refusal::WrongKind { expected: Kind::Counter })));
    assert!(store.far(ANN, object).is_none());
}

#[test]
fn a_list_does_what_a_vector_does() {
    let mut list = List::default();
    let mut apply = |request: ListRequest| list.apply(request).reply;
    let text = |reply: Result<Reply, Refusal>| match reply.unwrap() {
        Reply::Datum(datum) => datum.map(|it| String::from_utf8(it.bytes.0).unwrap()),
        other => panic!("{other:?}"),
    };
    apply(ListRequest::Extend(vec![datum("a"), datum("b"), datum("c")])).unwrap();
    apply(ListRequest::Insert(3, datum("d"))).unwrap();
    apply(ListRequest::Insert(0, datum("z"))).unwrap();
    assert_eq!(text(apply(ListRequest::Remove(1))).as_deref(), Some("a"));
    assert_eq!(text(apply(ListRequest::Get(1))).as_deref(), Some("b"));
    assert_eq!(text(apply(ListRequest::Get(u64::MAX))), None);
    assert_eq!(text(apply(ListRequest::Remove(4))), None);
    for (start, end, length) in [(0, 4, 4), (1, 3, 2), (3, 1, 0), (0, u64::MAX, 4), (9, 12, 0)] {
        let reply = apply(ListRequest::Range(start, end)).unwrap();
        assert!(matches!(reply, Reply::Data(data) if data.len() == length), "{start}..{end}");
    }
    for request in [
        ListRequest::Set(4, datum("x")),
        ListRequest::Insert(5, datum("x")),
        ListRequest::Exchange { index: 4, expected: key("x"), datum: datum("y") },
    ] {
        assert_eq!(apply(request).unwrap_err(), Refusal::OutOfRange { length: 4 });
    }
    assert_eq!(text(apply(ListRequest::Pop)).as_deref(), Some("d"));
}

#[test]
fn a_map_lists_its_entries_in_the_order_in_which_the_keys_came() {
    let mut map = Map::default();
    let mut apply = |request: MapRequest| map.apply(request).reply.unwrap();
    for (position, name) in ["q", "a", "x", "b"].into_iter().enumerate() {
        let old = apply(MapRequest::Insert(key(name), datum(&position.to_string())));
        assert!(matches!(old, Reply::Datum(None)));
    }
    let old = apply(MapRequest::Insert(key("a"), datum("new")));
    assert!(matches!(old, Reply::Datum(Some(it)) if it == datum("1")));
    apply(MapRequest::Remove(key("x")));
    apply(MapRequest::Insert(key("x"), datum("back")));
    let Reply::Keys(keys) = apply(MapRequest::Keys) else { panic!() };
    assert_eq!(keys, ["q", "a", "b", "x"].map(key));
    let Reply::Data(values) = apply(MapRequest::Values) else { panic!() };
    assert_eq!(values, ["0", "new", "3", "back"].map(datum));
}

#[test]
fn an_exchange_happens_only_where_the_entry_is_as_expected() {
    let mut map = Map::default();
    let mut exchange = |expected: Option<&str>, new: Option<&str>| {
        let request = MapRequest::Exchange {
            key: key("k"),
            expected: expected.map(key),
            datum: new.map(datum),
        };
        matches!(map.apply(request).reply.unwrap(), Reply::Done)
    };
    assert!(!exchange(Some("1"), Some("2")), "there is none");
    assert!(exchange(None, Some("1")));
    assert!(!exchange(None, Some("2")), "there is one");
    assert!(exchange(Some("1"), Some("2")));
    assert!(!exchange(Some("1"), None));
    assert!(exchange(Some("2"), None));
    assert!(exchange(None, None));
}
