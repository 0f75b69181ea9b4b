//! BGPFilters (`projectcalico/v3/bgpfilter.go`), as far as they look at networks.

use serde_json::Value;

use super::{Reading, is_set, network, object};
use crate::fabric::topology::{Filter, FilterAction, FilterRule, MatchOperator, Origin};
use crate::model::Family;
use crate::plan::Live;

/// What a rule may look at or do that the model does not know.
const CONDITIONS: [&str; 7] = [
    "source",
    "interface",
    "peerType",
    "communities",
    "asPathPrefix",
    "priority",
    "operations",
];

/// One BGPFilter.
pub(super) fn filter(live: &Live, reading: &mut Reading) -> Filter {
    let origin = object("BGPFilter", live);
    let mut rules = |fields: [&str; 2]| {
        [(Family::V4, fields[0]), (Family::V6, fields[1])]
            .map(|(family, field)| list(live, &origin, family, field, reading))
    };
    Filter {
        name: live.name().to_owned(),
        import: rules(["importV4", "importV6"]),
        export: rules(["exportV4", "exportV6"]),
    }
}

fn list(
    live: &Live,
    origin: &Origin,
    family: Family,
    field: &str,
    reading: &mut Reading,
) -> Vec<FilterRule> {
    let rules = live.spec(field).and_then(Value::as_array);
    let mut read = Vec::new();
    for rule in rules.into_iter().flatten() {
        let rule = parsed(rule, family);
        if let Some(condition) = rule.unmodelled {
            reading.unmodelled(origin, format!("{field} with {condition}"));
        }
        read.push(rule);
    }
    read
}

fn parsed(rule: &Value, family: Family) -> FilterRule {
    let text = |field: &str| rule[field].as_str().unwrap_or_default();
    let operator = match text("matchOperator") {
        "NotEqual" => MatchOperator::NotEqual,
        "In" => MatchOperator::In,
        "NotIn" => MatchOperator::NotIn,
        _ => MatchOperator::Equal,
    };
    let written = text("cidr");
    let cidr = network(written).filter(|cidr| cidr.family() == family);
    let known = ["action", "cidr", "matchOperator", "prefixLength"];
    let condition = CONDITIONS.into_iter().find(|field| is_set(&rule[*field]));
    let newer = rule.as_object().is_some_and(|fields| {
        fields
            .iter()
            .any(|(field, value)| is_set(value) && !known.contains(&field.as_str()))
    });
    let odd = !written.is_empty() && cidr.is_none();
    FilterRule {
        action: match text("action") {
            "Accept" => FilterAction::Accept,
            _ => FilterAction::Reject,
        },
        network: cidr.map(|cidr| (operator, cidr)),
        prefix_length: length(&rule["prefixLength"], family),
        unmodelled: condition
            .or_else(|| newer.then_some("a field that is not known"))
            .or_else(|| odd.then_some("a cidr that is none")),
    }
}

/// `prefixLength`: an end that is not named is the family's.
fn length(range: &Value, family: Family) -> Option<(u8, u8)> {
    let end = |field: &str| {
        let number = range.get(field)?.as_u64()?;
        u8::try_from(number).ok()
    };
    let (min, max) = (end("min"), end("max"));
    (min.is_some() || max.is_some()).then(|| (min.unwrap_or(0), max.unwrap_or(family.bits())))
}
