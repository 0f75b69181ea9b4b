use std::fmt::{Debug, Display};

use super::*;

/// Reads the words and the near misses of one option.
fn assert_reads<W, E>(words: &[&str], near: &[(&str, Option<&str>)])
where
    W: FromStr<Err = E> + Display + Debug,
    E: Refusal + Display + Debug,
{
    for word in words {
        assert_eq!(word.parse::<W>().unwrap().to_string(), *word);
    }
    for (text, meant) in near {
        let refused = text.parse::<W>().unwrap_err();
        let expected = format!("is not one of {}", words.join(", "));
        assert_eq!(refused.to_string(), expected, "{text:?}");
        let remedy = refused.remedy().unwrap();
        match meant {
            Some("off") => assert_eq!(remedy, "write \"off\", in a bundle with the quotes"),
            Some(meant) => assert_eq!(remedy, format!("write {meant}"), "{text:?}"),
            None => assert!(
                remedy.starts_with("write one of the t"),
                "{text:?}: {remedy}"
            ),
        }
    }
}

#[test]
fn fabric_check_reads_its_words_and_names_near_misses() {
    assert_eq!(FabricCheck::default(), FabricCheck::Warn);
    assert_reads::<FabricCheck, _>(
        &["warn", "block", "off"],
        &[
            ("Warn", Some("warn")),
            ("warning", Some("warn")),
            ("true", Some("warn")),
            ("BLOCK", Some("block")),
            ("errors", Some("block")),
            ("false", Some("off")),
            (" off ", Some("off")),
            ("strict", None),
            ("", None),
        ],
    );
}

#[test]
fn rollout_reads_its_words_and_names_near_misses() {
    assert_eq!(Rollout::default(), Rollout::Safe);
    assert_reads::<Rollout, _>(
        &["safe", "immediate"],
        &[
            ("Safe", Some("safe")),
            (" immediate", Some("immediate")),
            ("now", Some("immediate")),
            ("", None),
            ("rolling", None),
        ],
    );
}

#[test]
fn unrecognized_pools_reads_its_words_and_names_near_misses() {
    assert_eq!(UnrecognizedPools::default(), UnrecognizedPools::Drain);
    assert_reads::<UnrecognizedPools, _>(
        &["drain", "ignore", "block"],
        &[
            ("Drain", Some("drain")),
            ("delete", Some("drain")),
            (" keep ", Some("ignore")),
            ("IGNORE", Some("ignore")),
            ("blocked", Some("block")),
            ("false", None),
            ("all", None),
            ("", None),
        ],
    );
}
