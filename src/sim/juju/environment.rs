//! The environment Juju builds for a hook, from nothing (Juju reference, "hook environment"; `context.HookVars`).

use std::collections::BTreeMap;

use super::event::Event;
use super::hook::HookContext;
use super::model::JujuModel;

/// Where Juju keeps a unit's agent on its machine.
const AGENTS: &str = "/var/lib/juju/agents";
/// Juju's tools come first.
const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/games:/usr/local/games:/snap/bin";

impl JujuModel {
    /// Every variable the hook has, and no other one: no `HOME`, no `USER`, no `KUBECONFIG`.
    #[must_use]
    pub fn environment(&self, hook: &HookContext) -> BTreeMap<String, String> {
        let mut variables = BTreeMap::new();
        let mut set = |name: &str, value: &str| {
            variables.insert(name.to_owned(), value.to_owned());
        };
        self.set_unit_variables(hook, &mut set);
        set_event_variables(hook, &mut set);
        self.set_proxies(&mut set);
        for (name, value) in [
            ("LANG", "C.UTF-8"),
            ("TERM", "tmux-256color"),
            ("DEBIAN_FRONTEND", "noninteractive"),
            ("APT_LISTCHANGES_FRONTEND", "none"),
        ] {
            set(name, value);
        }
        variables
    }

    fn set_unit_variables(&self, hook: &HookContext, set: &mut dyn FnMut(&str, &str)) {
        let tag = format!("unit-{}", hook.unit.replace('/', "-"));
        let folder = format!("{AGENTS}/{tag}");
        let charm = format!("{folder}/charm");
        set("JUJU_CHARM_DIR", &charm);
        set("CHARM_DIR", &charm);
        set(
            "JUJU_AGENT_SOCKET_ADDRESS",
            &format!("@{folder}/agent.socket"),
        );
        set("JUJU_AGENT_SOCKET_NETWORK", "unix");
        set("PATH", &format!("/var/lib/juju/tools/{tag}:{SYSTEM_PATH}"));
        set("JUJU_CONTEXT_ID", &hook.id);
        set("JUJU_UNIT_NAME", &hook.unit);
        set("JUJU_MODEL_NAME", &self.name);
        set("JUJU_MODEL_UUID", &self.uuid);
        set("JUJU_API_ADDRESSES", "10.0.0.9:17070");
        // Juju knows no version in meter-status-changed.
        if hook.event.name() != "meter-status-changed" {
            set("JUJU_VERSION", &self.agent_version);
        }
        if let Some(unit) = self.units.get(&hook.unit) {
            set("JUJU_MACHINE_ID", &unit.machine.to_string());
            let zone = self
                .machines
                .get(&unit.machine)
                .map(|machine| machine.zone.as_str());
            set("JUJU_AVAILABILITY_ZONE", zone.unwrap_or_default());
            if let Some(principal) = &unit.principal {
                set("JUJU_PRINCIPAL_UNIT", principal);
            }
        }
    }

    fn set_proxies(&self, set: &mut dyn FnMut(&str, &str)) {
        let proxies = &self.proxies;
        for (name, value) in [
            ("HTTP_PROXY", &proxies.http),
            ("HTTPS_PROXY", &proxies.https),
            ("FTP_PROXY", &proxies.ftp),
            ("NO_PROXY", &proxies.no_proxy),
        ] {
            set(&format!("JUJU_CHARM_{name}"), value);
            if proxies.legacy && !value.is_empty() {
                set(name, value);
                set(&name.to_lowercase(), value);
            }
        }
    }
}

fn set_event_variables(hook: &HookContext, set: &mut dyn FnMut(&str, &str)) {
    set("JUJU_DISPATCH_PATH", &hook.event.path());
    match &hook.event {
        Event::Action { name, id, .. } => {
            set("JUJU_HOOK_NAME", "");
            set("JUJU_ACTION_NAME", name);
            set("JUJU_ACTION_UUID", &id.to_string());
            set("JUJU_ACTION_TAG", &format!("action-{id}"));
        }
        Event::Unit(_) => set("JUJU_HOOK_NAME", &hook.event.name()),
        Event::Relation {
            relation,
            endpoint,
            remote,
            ..
        } => {
            set("JUJU_HOOK_NAME", &hook.event.name());
            set("JUJU_RELATION", endpoint);
            set("JUJU_RELATION_ID", &format!("{endpoint}:{relation}"));
            set(
                "JUJU_REMOTE_APP",
                hook.remote_application.as_deref().unwrap_or_default(),
            );
            // Set, and empty, where there is no remote unit.
            set("JUJU_REMOTE_UNIT", remote.as_deref().unwrap_or_default());
            if let Some(departing) = &hook.departing {
                set("JUJU_DEPARTING_UNIT", departing);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::juju::{Machine, Proxies, UnitHook};
    use serde_json::json;

    const ALWAYS: &str = "APT_LISTCHANGES_FRONTEND CHARM_DIR DEBIAN_FRONTEND JUJU_AGENT_SOCKET_ADDRESS \
        JUJU_AGENT_SOCKET_NETWORK JUJU_API_ADDRESSES JUJU_AVAILABILITY_ZONE JUJU_CHARM_DIR JUJU_CHARM_FTP_PROXY \
        JUJU_CHARM_HTTPS_PROXY JUJU_CHARM_HTTP_PROXY JUJU_CHARM_NO_PROXY JUJU_CONTEXT_ID JUJU_DISPATCH_PATH \
        JUJU_HOOK_NAME JUJU_MACHINE_ID JUJU_MODEL_NAME JUJU_MODEL_UUID JUJU_PRINCIPAL_UNIT JUJU_UNIT_NAME \
        JUJU_VERSION LANG PATH TERM";

    fn model() -> JujuModel {
        let machine = Machine::new("node-a").in_zone("az1");
        let machine = machine.with_address("ens3", "10.0.0.5/24");
        let mut model = JujuModel::charmed_kubernetes(vec![machine], Vec::new()).unwrap();
        model.settle();
        model
    }

    /// The environment of an event, whose names beyond those every hook has are `extra`.
    fn environment(model: &mut JujuModel, event: Event, extra: &str) -> BTreeMap<String, String> {
        let hook = model.begin("calico/0", event).unwrap();
        let environment = model.environment(&hook);
        model.commit(hook).unwrap();
        let mut expected: Vec<&str> = ALWAYS.split(' ').chain(extra.split_whitespace()).collect();
        expected.sort_unstable();
        assert_eq!(environment.keys().collect::<Vec<_>>(), expected);
        environment
    }

    fn check(environment: &BTreeMap<String, String>, expected: &[(&str, &str)]) {
        for (name, value) in expected {
            assert_eq!(environment[*name], *value, "{name}");
        }
    }

    #[test]
    fn a_unit_hook_has_what_every_hook_has() {
        let environment = environment(&mut model(), UnitHook::ConfigChanged.into(), "");
        check(
            &environment,
            &[
                ("JUJU_UNIT_NAME", "calico/0"),
                ("JUJU_HOOK_NAME", "config-changed"),
                ("JUJU_DISPATCH_PATH", "hooks/config-changed"),
                ("JUJU_PRINCIPAL_UNIT", "kubernetes-control-plane/0"),
                ("JUJU_AVAILABILITY_ZONE", "az1"),
                ("JUJU_MACHINE_ID", "0"),
                ("JUJU_CHARM_DIR", "/var/lib/juju/agents/unit-calico-0/charm"),
                ("JUJU_CHARM_HTTP_PROXY", ""),
            ],
        );
        assert!(environment["PATH"].starts_with("/var/lib/juju/tools/unit-calico-0:"));
    }

    #[test]
    fn a_relation_hook_has_its_relation() {
        let mut model = model();
        let event = model.event("calico/0", "cni-relation-changed").unwrap();
        let extra = "JUJU_RELATION JUJU_RELATION_ID JUJU_REMOTE_APP JUJU_REMOTE_UNIT";
        let changed = environment(&mut model, event, extra);
        check(
            &changed,
            &[
                ("JUJU_RELATION", "cni"),
                ("JUJU_RELATION_ID", "cni:4"),
                ("JUJU_REMOTE_APP", "kubernetes-control-plane"),
                ("JUJU_REMOTE_UNIT", "kubernetes-control-plane/0"),
            ],
        );
        model.remove_unit("kubernetes-control-plane/0").unwrap();
        let broken = model.due("calico/0").unwrap();
        assert_eq!(broken.name(), "etcd-relation-broken");
        let broken = environment(&mut model, broken, extra);
        check(
            &broken,
            &[("JUJU_REMOTE_APP", "etcd"), ("JUJU_REMOTE_UNIT", "")],
        );
        let departed = model.due("calico/0").unwrap();
        let extra = format!("{extra} JUJU_DEPARTING_UNIT");
        let departed = environment(&mut model, departed, &extra);
        check(&departed, &[("JUJU_DEPARTING_UNIT", "calico/0")]);
    }

    #[test]
    fn an_action_has_no_hook_name() {
        let action = Event::Action {
            name: "resume".to_owned(),
            id: 12,
            parameters: json!({}),
        };
        let extra = "JUJU_ACTION_NAME JUJU_ACTION_UUID JUJU_ACTION_TAG";
        check(
            &environment(&mut model(), action, extra),
            &[
                ("JUJU_HOOK_NAME", ""),
                ("JUJU_DISPATCH_PATH", "actions/resume"),
                ("JUJU_ACTION_NAME", "resume"),
                ("JUJU_ACTION_UUID", "12"),
                ("JUJU_ACTION_TAG", "action-12"),
            ],
        );
    }

    #[test]
    fn meter_status_changed_knows_no_version() {
        let mut model = model();
        let hook = model
            .begin("calico/0", UnitHook::MeterStatusChanged.into())
            .unwrap();
        assert!(!model.environment(&hook).contains_key("JUJU_VERSION"));
    }

    #[test]
    fn the_older_proxy_settings_are_exported_too() {
        let mut model = model();
        model.proxies = Proxies {
            https: "http://squid:3128".to_owned(),
            legacy: true,
            ..Proxies::default()
        };
        let extra = "HTTPS_PROXY https_proxy";
        let environment = environment(&mut model, UnitHook::Start.into(), extra);
        for name in ["JUJU_CHARM_HTTPS_PROXY", "HTTPS_PROXY", "https_proxy"] {
            assert_eq!(environment[name], "http://squid:3128", "{name}");
        }
    }
}
