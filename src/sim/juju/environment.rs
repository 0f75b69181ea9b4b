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
