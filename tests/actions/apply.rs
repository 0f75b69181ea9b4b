//! `apply`: what was planned is written, and nothing else.

use serde_json::json;

use crate::support::site::Site;
use crate::{act, failure, lines, succeeded, text};

const POOL: &str = "/apis/crd.projectcalico.org/v1/ippools/ipv4";
const CONFIGURATION: &str = "/apis/crd.projectcalico.org/v1/bgpconfigurations/default";

/// Somebody else changes an object.
fn meddle(site: &Site, path: &str, change: serde_json::Value) {
    site.cluster
        .write("PATCH", path, "kubectl", Some("merge"), change);
}

/// A settled site in which somebody has changed the pool since.
fn meddled(test: &str) -> Option<Site> {
    let site = Site::start_or_skip(test)?;
    site.rest();
    meddle(&site, POOL, json!({"spec": {"natOutgoing": false}}));
    Some(site)
}

fn digest(site: &Site) -> String {
    let plan = act(site, "calico/0", "plan", &json!({}));
    succeeded(&plan);
    text(&plan, "digest").to_owned()
}

#[test]
fn a_plan_that_still_stands_is_written() {
    let Some(site) = meddled("a_plan_that_still_stands_is_written") else {
        return;
    };
    let before = site.state();
    let plan = act(&site, "calico/0", "plan", &json!({}));
    assert_eq!(digest(&site), text(&plan, "digest"), "the same plan twice");
    let as_json = act(&site, "calico/0", "plan", &json!({"format": "json"}));
    assert_eq!(
        crate::document(&as_json, "plan")["digest"],
        plan.results["digest"]
    );
    site.assert_untouched_since(&before);

    let given = json!({"digest": text(&plan, "digest")});
    let applied = act(&site, "calico/0", "apply", &given);
    succeeded(&applied);
    assert_eq!(text(&applied, "plan"), text(&plan, "plan"));
    assert_eq!(lines(&applied, "plan").len(), 1, "{applied:?}");
    assert!(text(&applied, "status").starts_with("active: Ready"));
    let pool = site.cluster.object("IPPool", "ipv4");
    assert_eq!(pool["spec"]["natOutgoing"], true, "{pool}");

    // It is done, so the plan is another one now.
    let after = site.state();
    let again = act(&site, "calico/0", "apply", &given);
    assert!(
        failure(&again).starts_with("the cluster has changed"),
        "{again:?}"
    );
    assert_eq!(text(&again, "plan"), "nothing to write");
    site.assert_untouched_since(&after);
}

#[test]
fn a_plan_that_is_old_is_refused_with_what_has_changed() {
    let Some(site) = meddled("a_plan_that_is_old_is_refused_with_what_has_changed") else {
        return;
    };
    let old = digest(&site);
    meddle(
        &site,
        POOL,
        json!({"metadata": {"labels": {"touched": "1"}}}),
    );
    let before = site.state();
    let refused = act(&site, "calico/0", "apply", &json!({"digest": old}));
    let now = text(&refused, "digest");
    assert_ne!(now, old);
    let expected = format!(
        "the cluster has changed since that plan, and nothing was written; what would be written now is in the result. \
         To write that: juju run calico/leader apply digest={now}"
    );
    assert_eq!(failure(&refused), expected);
    assert_eq!(lines(&refused, "plan").len(), 1, "{refused:?}");
    site.assert_untouched_since(&before);

    // What is not in the plan may change: it is not written over.
    meddle(
        &site,
        CONFIGURATION,
        json!({"metadata": {"labels": {"touched": "1"}}}),
    );
    assert_eq!(digest(&site), now);

    site.configure(&[("bgp-service-cluster-ips", "10.152.183.0/24")]);
    let before = site.state();
    let refused = act(&site, "calico/0", "apply", &json!({"digest": now}));
    assert!(
        failure(&refused).starts_with("the options and what they make"),
        "{refused:?}"
    );
    site.assert_untouched_since(&before);
}

#[test]
fn nothing_is_written_without_a_digest_or_by_another_unit() {
    let Some(site) = meddled("nothing_is_written_without_a_digest_or_by_another_unit") else {
        return;
    };
    let digest = digest(&site);
    let before = site.state();
    for (unit, given, reason) in [
        (
            "calico/0",
            json!({}),
            "digest is missing; juju run calico/leader plan shows it with the plan",
        ),
        (
            "calico/0",
            json!({"digest": "1234"}),
            "digest: \"1234\" is not a digest of 16 hexadecimal digits, as `plan` prints it",
        ),
        (
            "calico/1",
            json!({"digest": digest}),
            "calico/1 is not the leader: juju run calico/leader apply",
        ),
    ] {
        let refused = act(&site, unit, "apply", &given);
        assert_eq!(failure(&refused), reason);
    }
    site.assert_untouched_since(&before);
}
