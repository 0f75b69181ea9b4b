//! Relations and their databags, and what one unit's agent has seen of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::charm::{Role, Scope};
use super::model::Life;

/// A relation between two endpoints, or of one endpoint with itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relation {
    pub(super) id: u32,
    /// One end for peers; else the requirer first, as in Juju's relation keys.
    pub(super) ends: Vec<End>,
    pub(super) scope: Scope,
    pub(super) life: Life,
    /// Grows with each change of membership or data.
    pub(super) clock: u64,
    /// By unit name, those that left included: Juju keeps settings as long as the relation lives
    /// (`state.RelationUnit.ReadSettings`).
    pub(super) members: BTreeMap<String, Member>,
    pub(super) applications: BTreeMap<String, Databag>,
}

/// One side of a relation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The application.
    pub application: String,
    /// Its endpoint.
    pub endpoint: String,
    /// The endpoint's side.
    pub role: Role,
}

/// The settings of an application in a relation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Databag {
    pub settings: BTreeMap<String, String>,
    /// 0 until it is written for the first time.
    pub changed_at: u64,
}

/// A unit that is or was in the scope of a relation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Member {
    pub settings: BTreeMap<String, String>,
    pub joined_at: u64,
    pub changed_at: u64,
    pub left_at: Option<u64>,
}

/// What the agent of one unit has told its charm about a relation (Juju's `relation.State`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seen {
    /// relation-created has run.
    pub created: bool,
    /// The unit that was joined and must have its relation-changed next.
    pub changed_pending: Option<String>,
    /// Everything up to this clock of the relation has been told; `members` tells of the rest. Keeps a model of n settled
    /// units from having n² entries.
    pub horizon: u64,
    pub members: BTreeMap<String, SeenMember>,
    /// Version of the remote application's databag.
    pub application: u64,
}

/// What the charm has been told about a remote unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum SeenMember {
    Joined(u64),
    Departed,
}

impl Seen {
    /// Whether relation-joined has run for the member and relation-departed has not.
    pub fn has_joined(&self, unit: &str, member: &Member) -> bool {
        match self.members.get(unit) {
            Some(SeenMember::Joined(_)) => true,
            Some(SeenMember::Departed) => false,
            None => {
                member.joined_at <= self.horizon
                    && member.left_at.is_none_or(|left| left > self.horizon)
            }
        }
    }

    /// Whether the charm has been told about the member's present settings.
    pub fn is_current(&self, unit: &str, member: &Member) -> bool {
        match self.members.get(unit) {
            Some(SeenMember::Joined(version)) => *version == member.changed_at,
            Some(SeenMember::Departed) => true,
            None => member.changed_at <= self.horizon,
        }
    }
}

impl Relation {
    /// The relation's number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Its ends: one for peers, else the requirer's first.
    #[must_use]
    pub fn ends(&self) -> &[End] {
        &self.ends
    }

    /// Whether it joins the units of one application.
    #[must_use]
    pub fn is_peer(&self) -> bool {
        self.ends.len() == 1
    }

    /// `calico:cni kubernetes-worker:cni`.
    #[must_use]
    pub fn key(&self) -> String {
        let ends: Vec<String> = self
            .ends
            .iter()
            .map(|end| format!("{}:{}", end.application, end.endpoint))
            .collect();
        ends.join(" ")
    }

    /// The end that `application` is.
    #[must_use]
    pub fn end(&self, application: &str) -> Option<&End> {
        self.ends.iter().find(|end| end.application == application)
    }

    /// The application on the other side as `application` sees it; itself in a peer relation.
    #[must_use]
    pub fn remote_application(&self, application: &str) -> Option<&str> {
        self.end(application)?;
        let remote = self.ends.iter().find(|end| end.application != application);
        Some(remote.unwrap_or(&self.ends[0]).application.as_str())
    }

    /// `cni:4`, as units of `application` write it.
    #[must_use]
    pub fn name_for(&self, application: &str) -> Option<String> {
        let end = self.end(application)?;
        Some(format!("{}:{}", end.endpoint, self.id))
    }

    /// What a unit has set; `None` when it never was in the relation.
    #[must_use]
    pub fn unit_settings(&self, unit: &str) -> Option<&BTreeMap<String, String>> {
        self.members.get(unit).map(|member| &member.settings)
    }

    /// What the leader of an application has set.
    #[must_use]
    pub fn application_settings(&self, application: &str) -> Option<&BTreeMap<String, String>> {
        self.end(application)?;
        self.applications.get(application).map(|bag| &bag.settings)
    }

    pub(super) fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    pub(super) fn is_member(&self, unit: &str) -> bool {
        self.members
            .get(unit)
            .is_some_and(|member| member.left_at.is_none())
    }

    pub(super) fn leave(&mut self, unit: &str) {
        if self.is_member(unit) {
            let now = self.tick();
            if let Some(member) = self.members.get_mut(unit) {
                member.left_at = Some(now);
            }
        }
    }

    /// Writes into a unit's databag; an empty value deletes its key. `false` when nothing changed, which wakes nobody.
    pub(super) fn write_unit(&mut self, unit: &str, writes: &BTreeMap<String, String>) -> bool {
        let now = self.clock + 1;
        let Some(member) = self.members.get_mut(unit) else {
            return false;
        };
        let changed = merge(&mut member.settings, writes);
        if changed {
            member.changed_at = now;
            self.clock = now;
        }
        changed
    }

    /// Writes into an application's databag, as [`write_unit`](Self::write_unit) does into a unit's.
    pub(super) fn write_application(
        &mut self,
        application: &str,
        writes: &BTreeMap<String, String>,
    ) -> bool {
        let now = self.clock + 1;
        let bag = self.applications.entry(application.to_owned()).or_default();
        let changed = merge(&mut bag.settings, writes);
        if changed {
            bag.changed_at = now;
            self.clock = now;
        }
        changed
    }
}

/// Settings hold strings, and none that is empty: an empty value deletes (Juju's hook tool reference, `relation-set`).
pub(super) fn merge(
    settings: &mut BTreeMap<String, String>,
    writes: &BTreeMap<String, String>,
) -> bool {
    let mut changed = false;
    for (key, value) in writes {
        changed |= if value.is_empty() {
            settings.remove(key).is_some()
        } else {
            settings.insert(key.clone(), value.clone()).as_ref() != Some(value)
        };
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(list: &[(&str, &str)]) -> BTreeMap<String, String> {
        list.iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn an_empty_value_deletes_and_an_equal_one_changes_nothing() {
        for (before, writes, after, changed) in [
            (
                &[("a", "1")][..],
                &[("a", "1")][..],
                &[("a", "1")][..],
                false,
            ),
            (&[("a", "1")], &[("a", "2")], &[("a", "2")], true),
            (&[("a", "1")], &[("a", "")], &[], true),
            (&[], &[("a", "")], &[], false),
            (
                &[("a", "1")],
                &[("b", "2")],
                &[("a", "1"), ("b", "2")],
                true,
            ),
            (&[("a", "1")], &[], &[("a", "1")], false),
        ] {
            let mut settings = map(before);
            assert_eq!(
                merge(&mut settings, &map(writes)),
                changed,
                "{before:?} + {writes:?}"
            );
            assert_eq!(settings, map(after));
        }
    }
}
