//! FABRIC: the files that say what the options are and which units there are.
//!
//! A file is told by its content to be a fabric file, a Juju bundle, the output of `juju config` or that of
//! `juju status`. Several complete each other: options from one, units from another; of what two give, the later counts,
//! as with Juju's overlays.

mod bundle;
mod file;
mod options;
mod read;
mod source;
mod status;
mod yaml;

use std::net::IpAddr;

use super::diagnostics::Diagnostic;
use crate::config::CharmConfig;
use crate::fabric::{Address, Gateway};
use crate::model::{AsNumber, Cidr, Intent, NodeName, UnitAddress, UnitFacts, UnitName};

pub use options::Options;
pub use read::read;
#[cfg(test)]
pub(in crate::cli) use read::read_for_test;
pub use source::{SourceFile, Spot};

/// Options, units and routers as the files have them.
#[derive(Debug, Clone)]
pub struct Fabric {
    /// The application, usually `calico`.
    pub application: String,
    /// The options that are set.
    pub options: Options,
    /// The units by number, one of them the leader.
    pub units: Vec<FabricUnit>,
    /// The routers by name.
    pub routers: Vec<Router>,
    /// The files, for diagnostics.
    pub files: Vec<SourceFile>,
}

/// One unit of the application and its machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FabricUnit {
    /// The unit.
    pub unit: UnitName,
    /// Its Node, which is the machine's host name.
    pub node: NodeName,
    /// The machine's addresses with their networks.
    pub addresses: Vec<UnitAddress>,
    /// Whether it leads.
    pub leader: bool,
    /// Its availability zone.
    pub zone: Option<String>,
    /// Its principal unit.
    pub principal: UnitName,
    /// Where its machine sends what it has no route for.
    pub gateway: Gateway,
    /// The addresses whose networks the files do not say, with the gateway of each, where that is known.
    pub unplaced: Vec<(IpAddr, Option<IpAddr>)>,
    /// Where the files describe it.
    pub spot: Spot,
}

/// A router that the charm cannot see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Router {
    /// Its name.
    pub name: String,
    /// Its addresses with their networks.
    pub addresses: Vec<(IpAddr, Cidr)>,
    /// Its AS number.
    pub as_number: AsNumber,
    /// Whether it reflects routes.
    pub route_reflector: bool,
    /// Where the files describe it.
    pub spot: Spot,
}

/// Files that cannot be used, and why.
#[derive(Debug)]
pub struct Refused {
    /// The files.
    pub files: Vec<SourceFile>,
    /// What is wrong with them.
    pub diagnostics: Vec<Diagnostic>,
}

impl Router {
    /// The router as the check takes it.
    #[must_use]
    pub fn to_fabric(&self) -> crate::fabric::Router {
        let addresses = self.addresses.iter();
        crate::fabric::Router {
            name: self.name.clone(),
            addresses: addresses
                .map(|(ip, subnet)| Address {
                    ip: *ip,
                    subnet: *subnet,
                })
                .collect(),
            as_number: self.as_number,
            route_reflector: self.route_reflector,
            known: true,
        }
    }
}

impl FabricUnit {
    /// The facts that the unit's hooks would see.
    #[must_use]
    pub fn facts(&self, model: &str) -> UnitFacts {
        UnitFacts {
            unit: self.unit.clone(),
            principal: Some(self.principal.to_string()),
            model: model.to_owned(),
            addresses: self.addresses.clone(),
            leader: self.leader,
            hostname: self.node.to_string(),
            fqdn: None,
            zone: self.zone.clone(),
            service_cidrs: Vec::new(),
        }
    }
}

impl Fabric {
    /// The options checked: by themselves, and on every unit.
    ///
    /// # Errors
    /// Everything that is wrong, each at its place in the files.
    pub fn config(&self) -> Result<CharmConfig, Vec<Diagnostic>> {
        let config = CharmConfig::parse_strict(self.options.raw(), &self.application)
            .map_err(|problems| self.options.diagnostics(&self.files, &problems))?;
        let mut found: Vec<(Diagnostic, usize)> = Vec::new();
        for unit in &self.units {
            let Err(problems) = Intent::new(&config, &unit.facts("")) else {
                continue;
            };
            for diagnostic in self.options.diagnostics(&self.files, &problems) {
                let same = |earlier: &Diagnostic| {
                    earlier.place == diagnostic.place && earlier.spot == diagnostic.spot
                };
                match found.iter_mut().find(|(earlier, _)| same(earlier)) {
                    Some((_, more)) => *more += 1,
                    None => found.push((diagnostic, 0)),
                }
            }
        }
        if found.is_empty() {
            return Ok(config);
        }
        Err(found.into_iter().map(with_more_units).collect())
    }

    /// The unit called `name`.
    #[must_use]
    pub fn unit(&self, name: &str) -> Option<&FabricUnit> {
        self.units.iter().find(|unit| unit.unit.to_string() == name)
    }

    /// The names of the units, for a message.
    #[must_use]
    pub fn unit_names(&self) -> String {
        let names: Vec<String> = self
            .units
            .iter()
            .map(|unit| unit.unit.to_string())
            .collect();
        match names.as_slice() {
            [first, _, _, _, .., last] => format!("{} units, {first} to {last}", names.len()),
            _ => names.join(", "),
        }
    }

    /// The leading unit.
    ///
    /// # Panics
    /// Never: there is no fabric without units.
    #[must_use]
    pub fn leader(&self) -> &FabricUnit {
        let leader = self.units.iter().find(|unit| unit.leader);
        leader.unwrap_or_else(|| {
            self.units
                .first()
                .expect("`read` refuses a fabric without units")
        })
    }
}

/// One diagnostic for all units that have the problem.
fn with_more_units((diagnostic, more): (Diagnostic, usize)) -> Diagnostic {
    let message = match more {
        0 => diagnostic.message,
        1 => format!("{} (and on 1 more unit)", diagnostic.message),
        more => format!("{} (and on {more} more units)", diagnostic.message),
    };
    Diagnostic {
        message,
        ..diagnostic
    }
}
