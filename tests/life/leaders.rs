//! Leaders that die while they install.

use calico_charm::manifests::Stage;
use calico_charm::sim::juju::JujuModel;
use serde_json::Value;

use crate::assert_installed;
use crate::support::settlement::{RECORD, Settlement};

/// Kills the leader's first hook after so many of its writes, and lets another unit go on.
fn another_leader_goes_on_after(test: &str, count: usize) {
    let Some(site) = Settlement::start_or_skip(test) else {
        return;
    };
    site.driver.model(JujuModel::settle);
    let killed = site.kill_after("calico/0", "config-changed", count);
    assert!(!killed.succeeded(), "{}", killed.debug_log());
    assert_eq!(site.workloads.at(RECORD), Value::Null);
    site.elect("calico/1");
    site.settle();
    site.come_up();
    assert_installed(&site);
    site.assert_at_rest();
}

#[test]
fn a_leader_that_dies_among_the_definitions_is_replaced() {
    let test = "a_leader_that_dies_among_the_definitions_is_replaced";
    another_leader_goes_on_after(test, 2);
}

#[test]
fn a_leader_that_dies_among_the_rights_is_replaced() {
    let documents = Settlement::documents();
    let definitions = documents
        .iter()
        .filter(|document| document.stage() == Stage::Definitions);
    let test = "a_leader_that_dies_among_the_rights_is_replaced";
    another_leader_goes_on_after(test, definitions.count() + 2);
}

#[test]
fn a_leader_that_dies_before_it_has_recorded_anything_is_replaced() {
    let test = "a_leader_that_dies_before_it_has_recorded_anything_is_replaced";
    another_leader_goes_on_after(test, Settlement::documents().len());
}
