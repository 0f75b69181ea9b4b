//! Reads the files, tells their kinds apart and puts them together. Performs IO.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::IpAddr;

use super::file::read_fabric_file;
use super::source::{SourceFile, Spot};
use super::yaml::{self, Node};
use super::{Fabric, FabricUnit, Options, Refused, Router, bundle, status};
use crate::cli::diagnostics::Diagnostic;
use crate::fabric::{Code, Gateway};
use crate::model::{NodeName, UnitAddress, UnitName};

/// Two nodes with one address.
const SAME_ADDRESS: Code = Code(35);

/// A unit as one file describes it.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) unit: UnitName,
    pub(super) spot: Spot,
    pub(super) node: Option<NodeName>,
    pub(super) addresses: Vec<UnitAddress>,
    pub(super) leader: bool,
    pub(super) zone: Option<String>,
    pub(super) principal: Option<UnitName>,
    pub(super) gateway: Gateway,
    pub(super) unplaced: Vec<(IpAddr, Option<IpAddr>)>,
}

/// What has been read so far.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) file: usize,
    pub(super) application: Option<(String, Spot)>,
    pub(super) options: Options,
    pub(super) drafts: BTreeMap<UnitName, Draft>,
    pub(super) routers: BTreeMap<String, Router>,
    pub(super) diagnostics: Vec<Diagnostic>,
}

impl Reading {
    pub(super) fn spot(&self, node: &Node) -> Spot {
        Spot {
            file: self.file,
            at: node.at,
        }
    }

    pub(super) fn refuse(&mut self, node: &Node, message: impl Into<String>, help: &str) {
        let spot = self.spot(node);
        let diagnostic = Diagnostic {
            value: node.text().map(str::to_owned),
            ..Diagnostic::new(message, spot)
        };
        self.diagnostics.push(if help.is_empty() {
            diagnostic
        } else {
            diagnostic.help(help)
        });
    }

    /// The entries of a map with text keys, each key once.
    pub(super) fn entries<'n>(
        &mut self,
        node: &'n Node,
        what: &str,
    ) -> Vec<(&'n str, &'n Node, &'n Node)> {
        if node.is_null() {
            return Vec::new();
        }
        if !matches!(node.value, yaml::Value::Map(_)) {
            self.refuse(
                node,
                format!("{what} is {} where a map is expected", node.shape()),
                "",
            );
        }
        let mut found: Vec<(&str, &Node, &Node)> = Vec::new();
        let mut first: BTreeMap<&str, &Node> = BTreeMap::new();
        for (key, value) in node.entries() {
            let Some(name) = key.text() else {
                self.refuse(key, format!("{what} has {} as a key", key.shape()), "");
                continue;
            };
            if let Some(earlier) = first.insert(name, key) {
                let earlier = self.spot(earlier);
                let spot = self.spot(key);
                let twice = Diagnostic::new(format!("{what} has {name} twice"), spot);
                self.diagnostics
                    .push(twice.other(earlier, "first here").help("leave one out"));
                continue;
            }
            found.push((name, key, value));
        }
        found
    }

    /// The application that a file names; two files must mean one.
    pub(super) fn name_application(&mut self, name: &str, node: &Node) {
        let spot = self.spot(node);
        match &self.application {
            None => self.application = Some((name.to_owned(), spot)),
            Some((earlier, _)) if earlier == name => {}
            Some((earlier, at)) => {
                let message =
                    format!("this is application {name}, and another place means {earlier}");
                let diagnostic = Diagnostic::new(message, spot).other(*at, "the other place");
                self.diagnostics
                    .push(diagnostic.help("give files of one application"));
            }
        }
    }

    pub(super) fn add_unit(&mut self, draft: Draft) {
        self.drafts.insert(draft.unit.clone(), draft);
    }
}

/// Reads FABRIC; `-` is standard input.
///
/// # Errors
/// Everything that is wrong with the files themselves: not readable, no YAML, of no known kind, units that contradict
/// each other, no unit at all. The values of options are not looked at, see [`Fabric::config`].
pub fn read(paths: &[String]) -> Result<Fabric, Refused> {
    let mut files = Vec::new();
    let mut reading = Reading::default();
    for path in paths {
        match text(path) {
            Ok(text) => {
                let name = if path == "-" { "<stdin>" } else { path };
                files.push(SourceFile::new(name.to_owned(), text));
            }
            Err(error) => {
                let message = format!("cannot read {path}: {error}");
                reading.diagnostics.push(Diagnostic::new(message, None));
            }
        }
    }
    read_texts(files, reading)
}

fn text(path: &str) -> std::io::Result<String> {
    if path != "-" {
        return std::fs::read_to_string(path);
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map(|_| text)
}

fn read_texts(files: Vec<SourceFile>, mut reading: Reading) -> Result<Fabric, Refused> {
    for (index, file) in files.iter().enumerate() {
        reading.file = index;
        match yaml::parse(&file.text) {
            Ok(documents) => {
                if documents.is_empty() {
                    let message = format!("{} is empty", file.name);
                    reading
                        .diagnostics
                        .push(Diagnostic::new(message, None).help(KINDS));
                }
                for document in &documents {
                    read_document(document, &mut reading);
                }
            }
            Err(error) => {
                let spot = error.at.map(|at| Spot { file: index, at });
                let message = format!("{} {}", file.name, error.reason);
                reading.diagnostics.push(Diagnostic::new(message, spot));
            }
        }
    }
    let application = reading.application.as_ref();
    let application = application.map_or("calico", |(name, _)| name).to_owned();
    let units = units(&mut reading, &application);
    if units.is_empty() && reading.diagnostics.is_empty() {
        reading.diagnostics.push(
            Diagnostic::new("no file says which units there are", None).help(
                "a bundle and `juju config` cannot: add the output of `juju status --format=json`, or a fabric file \
                 with `units:`",
            ),
        );
    }
    if !reading.diagnostics.is_empty() {
        return Err(Refused {
            files,
            diagnostics: reading.diagnostics,
        });
    }
    Ok(Fabric {
        application,
        options: reading.options,
        units,
        routers: reading.routers.into_values().collect(),
        files,
    })
}

const KINDS: &str = "FABRIC is a fabric file (options:, units:, routers:), a Juju bundle (applications:), or the output \
     of `juju config calico` (settings:) or of `juju status --format=json`";

fn read_document(document: &Node, reading: &mut Reading) {
    let has = |key: &str| document.get(key).is_some();
    if has("settings") {
        bundle::read_settings(document, reading);
    } else if has("applications")
        && (has("machines") || has("model"))
        && status::is_status(document)
    {
        status::read_status(document, reading);
    } else if has("applications") || has("services") {
        bundle::read_bundle(document, reading);
    } else if has("options") || has("units") || has("routers") {
        read_fabric_file(document, reading);
    } else {
        reading.refuse(document, "this is no file that FABRIC can be", KINDS);
    }
}

/// The units complete: defaults filled in, contradictions refused.
fn units(reading: &mut Reading, application: &str) -> Vec<FabricUnit> {
    let drafts = std::mem::take(&mut reading.drafts);
    let mut nodes: BTreeMap<NodeName, Spot> = BTreeMap::new();
    let mut addresses: BTreeMap<IpAddr, (UnitName, Spot)> = BTreeMap::new();
    let mut leader: Option<(UnitName, Spot)> = None;
    let mut units = Vec::new();
    for draft in drafts.into_values() {
        let spot = draft.spot;
        let refused = |message: String, other: Spot, help: &str| {
            Diagnostic::new(message, spot)
                .other(other, "the other one")
                .help(help)
        };
        let node = draft.node.or_else(|| draft.unit.dashed().parse().ok());
        let (Some(node), Ok(principal)) = (node, principal(&draft.unit)) else {
            // A unit's name is a Node's as well: both are lower-case letters, digits and dashes.
            continue;
        };
        if let Some(other) = nodes.insert(node.clone(), spot) {
            let message = format!("Node {node} is another unit's already");
            let help = "give the machines different host names";
            reading.diagnostics.push(refused(message, other, help));
        }
        for address in &draft.addresses {
            if let Some((unit, other)) = addresses.insert(address.ip, (draft.unit.clone(), spot)) {
                let message = format!("{} has address {} of {unit}", draft.unit, address.ip);
                let help = "every machine has addresses of its own";
                let refused = refused(message, other, help);
                reading.diagnostics.push(refused.code(SAME_ADDRESS));
            }
        }
        if draft.leader
            && let Some((unit, other)) = leader.replace((draft.unit.clone(), spot))
        {
            let message = format!("{} leads, and so does {unit}", draft.unit);
            reading
                .diagnostics
                .push(refused(message, other, "one unit leads"));
        }
        if draft.unit.application() != application {
            let message = format!("{} is no unit of application {application}", draft.unit);
            reading.diagnostics.push(Diagnostic::new(message, spot));
        }
        units.push(FabricUnit {
            principal: draft.principal.unwrap_or(principal),
            unit: draft.unit,
            node,
            addresses: draft.addresses,
            leader: draft.leader,
            zone: draft.zone,
            gateway: draft.gateway,
            unplaced: draft.unplaced,
            spot,
        });
    }
    if leader.is_none()
        && let Some(first) = units.first_mut()
    {
        first.leader = true;
    }
    units
}

fn principal(unit: &UnitName) -> Result<UnitName, crate::model::UnitNameError> {
    format!("kubernetes-worker/{}", unit.number()).parse()
}

#[cfg(test)]
pub(in crate::cli) fn read_for_test(texts: &[&str]) -> Result<Fabric, Refused> {
    let named = |(index, text): (usize, &&str)| {
        SourceFile::new(format!("{index}.yaml"), (*text).to_owned())
    };
    read_texts(
        texts.iter().enumerate().map(named).collect(),
        Reading::default(),
    )
}
