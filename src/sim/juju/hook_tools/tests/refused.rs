//! Calls that Juju refuses.

use super::*;

/// Unit, command, exit status, text.
const WRONG: &[(&str, &str, i32, &str)] = &[
    (
        "calico/0",
        "config-get --all vxlan",
        2,
        "cannot use argument --all together with key \"vxlan\"",
    ),
    (
        "calico/0",
        "config-get a b",
        2,
        "unrecognized args: [\"b\"]",
    ),
    (
        "calico/0",
        "config-get --format=xml",
        2,
        "invalid value \"xml\" for option --format: unknown format \"xml\"",
    ),
    (
        "calico/0",
        "config-get --nonsense",
        2,
        "option provided but not defined: --nonsense",
    ),
    ("calico/0", "relation-ids", 2, "no endpoint name specified"),
    ("calico/0", "relation-list", 2, "no relation id specified"),
    (
        "calico/0",
        "relation-list -r x",
        2,
        "invalid value \"x\" for option -r: invalid relation id",
    ),
    (
        "calico/0",
        "relation-list -r cni:99",
        2,
        "invalid value \"cni:99\" for option -r: relation not found",
    ),
    // The other principal's relation is none of this unit's.
    (
        "calico/0",
        "relation-list -r cni:5",
        2,
        "invalid value \"cni:5\" for option -r: relation not found",
    ),
    (
        "calico/0",
        "relation-get -r cni:4",
        2,
        "no unit or application specified",
    ),
    (
        "calico/1",
        "relation-get -r cni:5 - kubernetes-worker/1",
        1,
        "cannot read settings for unit \"kubernetes-worker/1\" in relation \"calico:cni kubernetes-worker:cni\": unit \"kubernetes-worker/1\": settings not found",
    ),
    (
        "calico/1",
        "relation-get -r fabric:0 - calico/9",
        1,
        "cannot read settings for unit \"calico/9\" in relation \"calico:fabric\": unit \"calico/9\": settings not found",
    ),
    (
        "calico/1",
        "relation-get -r cni:5 - etcd/0",
        1,
        "permission denied",
    ),
    (
        "calico/1",
        "relation-get -r cni:5 - kubernetes-worker",
        1,
        "\"kubernetes-worker\" is not a valid unit",
    ),
    (
        "calico/1",
        "relation-get -r cni:5 --app - calico",
        1,
        "permission denied",
    ),
    (
        "calico/1",
        "relation-set -r cni:5 x",
        2,
        "expected \"key=value\", got \"x\"",
    ),
    (
        "calico/1",
        "relation-set -r cni:5 x=1 x=2",
        2,
        "key \"x\" specified more than once",
    ),
    (
        "calico/1",
        "relation-set x=1",
        2,
        "no relation id specified",
    ),
    (
        "calico/1",
        "relation-set -r fabric:0 --app x=1",
        1,
        "cannot write relation settings",
    ),
    (
        "calico/1",
        "leader-set x=1",
        1,
        "cannot write leadership settings: cannot write settings: not the leader",
    ),
    ("calico/1", "network-get", 2, "no arguments specified"),
    (
        "calico/1",
        "network-get nothing",
        1,
        "no network config found for binding \"nothing\"",
    ),
    (
        "calico/1",
        "status-set",
        2,
        "invalid args, require <status> [message]",
    ),
    (
        "calico/1",
        "status-set error x",
        2,
        "invalid status \"error\", expected one of [maintenance blocked waiting active]",
    ),
    (
        "calico/1",
        "status-set active a b",
        2,
        "unrecognized args: [\"b\"]",
    ),
    (
        "calico/1",
        "status-set --application active",
        1,
        "this unit is not the leader",
    ),
    (
        "calico/1",
        "status-get --application",
        1,
        "finding application status: this unit is not the leader",
    ),
    (
        "calico/1",
        "application-version-set",
        2,
        "no version specified",
    ),
    ("calico/1", "juju-log", 2, "no message specified"),
    ("calico/1", "juju-log -l INFO", 2, "no message specified"),
    (
        "calico/1",
        "state-get --strict five",
        1,
        "\"five\" not found",
    ),
    (
        "calico/1",
        "unit-get hostname",
        2,
        "unknown setting \"hostname\"",
    ),
    (
        "calico/1",
        "resource-get calico",
        1,
        "could not download resource: resource \"calico\" not found",
    ),
    ("calico/1", "action-get", 1, "not running an action"),
    ("calico/1", "action-set a=b", 1, "not running an action"),
    (
        "calico/1",
        "action-set A=b",
        2,
        "key \"A\" must start and end with lowercase alphanumeric, and contain only lowercase alphanumeric and hyphens",
    ),
    (
        "calico/1",
        "action-set stdout=b",
        2,
        "cannot set reserved action key \"stdout\"",
    ),
    ("calico/1", "action-fail no", 1, "not running an action"),
    (
        "calico/1",
        "juju-reboot",
        1,
        "bad request: unknown command \"juju-reboot\"",
    ),
];

#[test]
fn what_is_wrong_is_refused_in_jujus_words() {
    for (unit, line, code, text) in WRONG {
        let expected = Err((*code, (*text).to_owned()));
        assert_eq!(answer(&mut model(), unit, line), expected, "{unit}: {line}");
    }
}
