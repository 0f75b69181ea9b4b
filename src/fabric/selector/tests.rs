use super::*;
use proptest::prelude::*;

fn labels(pairs: &str) -> BTreeMap<String, String> {
    pairs
        .split_whitespace()
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn what_selectors_choose() {
    for (selector, chosen, left) in [
        ("", ["a=b", ""].as_slice(), [].as_slice()),
        (" \t", &[""], &[]),
        ("all()", &["", "a=b"], &[]),
        ("all( )", &[""], &[]),
        ("global()", &[""], &[]),
        ("a == 'b'", &["a=b"], &["a=c", ""]),
        ("a==\"b\"", &["a=b"], &[""]),
        ("a == 'it\"s'", &["a=it\"s"], &["a=its"]),
        ("a != 'b'", &["a=c", ""], &["a=b"]),
        ("a in {'b', \"c\",}", &["a=b", "a=c"], &["a=d", ""]),
        ("a in {}", &[], &["a=b", ""]),
        ("a not in {'b'}", &["", "a=c"], &["a=b"]),
        ("a not\tin {'b'}", &["a=c"], &["a=b"]),
        ("a not in {}", &["a=b", ""], &[]),
        ("a contains 'bc'", &["a=abcd"], &["a=acbd", ""]),
        ("a contains ''", &["a=x"], &[""]),
        ("a starts with 'ab'", &["a=abc"], &["a=cab", ""]),
        ("a ends  with 'bc'", &["a=abc"], &["a=bca", ""]),
        ("has(a)", &["a="], &["b=a"]),
        ("has( k8s.io/rack-0_x )", &["k8s.io/rack-0_x=1"], &[""]),
        ("!has(a)", &[""], &["a=b"]),
        ("!!has(a)", &["a=b"], &[""]),
        ("! ! !has(a)", &[""], &["a=b"]),
        ("!(a == 'b')", &["a=c", ""], &["a=b"]),
        ("!a == 'b'", &["a=c"], &["a=b"]),
        // A label may be called like an operator.
        (
            "in == 'x' && not in {'y'}",
            &["in=x not=y"],
            &["in=x", "not=y"],
        ),
        ("all == 'x'", &["all=x"], &[""]),
        ("has == 'x'", &["has=x"], &[""]),
        ("not not in {'x'}", &[""], &["not=x"]),
        // && binds closer than ||, ! closer than both.
        (
            "has(a) || has(b) && has(c)",
            &["a=1", "b=1 c=1"],
            &["b=1", "c=1"],
        ),
        ("(has(a) || has(b)) && has(c)", &["b=1 c=1"], &["a=1"]),
        (
            "!has(a) && has(b) || has(c)",
            &["a=1 c=1", "b=1"],
            &["a=1 b=1", ""],
        ),
        ("!has(a) || has(b)", &["a=1 b=1", ""], &["a=1"]),
        ("((((has(a)))))", &["a=1"], &[""]),
    ] {
        let parsed =
            Selector::parse(selector).unwrap_or_else(|error| panic!("{selector}: {error}"));
        for set in chosen {
            assert!(
                parsed.matches(&labels(set)),
                "{selector} has to choose {set}"
            );
        }
        for set in left {
            assert!(
                !parsed.matches(&labels(set)),
                "{selector} has to leave {set}"
            );
        }
    }
}

#[test]
fn what_is_no_selector() {
    for (selector, message) in [
        (
            "a",
            "ends where ==, !=, in, not in, contains, starts with or ends with has to come",
        ),
        (
            "a = 'b'",
            "has `= 'b'` where ==, !=, in, not in, contains, starts with or ends with has to stand",
        ),
        ("a == b", "has `b` where a text in quotes has to stand"),
        ("a == 'b", "ends where the closing quote has to come"),
        ("a == 'b' c", "has `c` where &&, || or the end has to stand"),
        (
            "a == 'b' &&",
            "ends where a label, has(…), all(), global(), `!` or `(` has to come",
        ),
        (
            "&& a == 'b'",
            "has `&& a == 'b'` where a label, has(…), all(), global(), `!` or `(` has to stand",
        ),
        (
            "a == 'b' & b == 'c'",
            "has `& b == 'c'` where &&, || or the end has to stand",
        ),
        (
            "a == 'b' and b == 'c'",
            "has `and b == 'c'` where &&, || or the end has to stand",
        ),
        ("(a == 'b'", "ends where ) has to come"),
        ("a == 'b')", "has `)` where &&, || or the end has to stand"),
        ("a in 'b'", "has `'b'` where { has to stand"),
        ("a in {'b' 'c'}", "has `'c'}` where } has to stand"),
        (
            "a inside {'b'}",
            "has `inside {'b'}` where ==, !=, in, not in, contains, starts with or ends with has to stand",
        ),
        (
            "a starts 'b'",
            "has `starts 'b'` where ==, !=, in, not in, contains, starts with or ends with has to stand",
        ),
        ("has()", "has `)` where a label has to stand"),
        (
            "has (a)",
            "has `(a)` where ==, !=, in, not in, contains, starts with or ends with has to stand",
        ),
        ("all(a)", "has `a)` where ) has to stand"),
        (
            "!",
            "ends where a label, has(…), all(), global(), `!` or `(` has to come",
        ),
        (
            "()",
            "has `)` where a label, has(…), all(), global(), `!` or `(` has to stand",
        ),
        (
            "a == 'b'\n",
            "has `\n` where &&, || or the end has to stand",
        ),
        (
            "é == 'b'",
            "has `é == 'b'` where a label, has(…), all(), global(), `!` or `(` has to stand",
        ),
    ] {
        let refused = Selector::parse(selector).map_err(|error| error.to_string());
        assert_eq!(refused, Err(message.to_owned()), "{selector}");
    }
}

#[test]
fn length_and_depth_are_bounded() {
    let nested = |depth| format!("{}has(a){}", "(".repeat(depth), ")".repeat(depth));
    assert!(Selector::parse(&nested(64)).is_ok());
    assert_eq!(Selector::parse(&nested(65)), Err(SelectorError::TooDeep));
    assert!(Selector::parse(&format!("has(a){}", " ".repeat(4090))).is_ok());
    assert_eq!(
        Selector::parse(&format!("has(a){}", " ".repeat(4091))),
        Err(SelectorError::TooLong)
    );
    let label = |length| format!("{} == 'b'", "a".repeat(length));
    assert!(Selector::parse(&label(512)).is_ok());
    assert!(Selector::parse(&label(513)).is_err());
    // Thousands of `!` are no depth.
    assert!(Selector::parse(&format!("{}has(a)", "!".repeat(4000))).is_ok());
}

#[test]
fn chosen_by_the_values_that_matter() {
    let nodes = [
        labels("host=a rack=1"),
        labels("host=b rack=2"),
        labels("host=c rack=1"),
        labels("host=d"),
    ];
    for (selector, chosen) in [
        ("rack == '1'", vec![0, 2]),
        ("rack != '1'", vec![1, 3]),
        ("all()", vec![0, 1, 2, 3]),
        ("rack == '1' && host != 'a'", vec![2]),
    ] {
        assert_eq!(
            Selector::parse(selector).unwrap().choose(&nodes),
            chosen,
            "{selector}"
        );
    }
}

proptest! {
    /// Calico's own parser meets whatever the API lets through.
    #[test]
    fn no_text_panics(text in "[ \t!&|(){}'\",=a-cin hasltorgwe.]{0,80}|.{0,80}") {
        if let Ok(selector) = Selector::parse(&text) {
            let nodes = [labels("a=b"), labels("")];
            let chosen = selector.choose(&nodes);
            for (place, labels) in (0..).zip(&nodes) {
                prop_assert_eq!(chosen.contains(&place), selector.matches(labels));
            }
        }
    }
}
