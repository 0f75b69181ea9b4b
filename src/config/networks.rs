//! Options that are lists of networks in one line.

use super::problem::Problem;
use super::reader::OptionText;
use crate::model::{Cidr, CidrError, Family};

/// Networks for pools: separated by commas, at most one a family, each with room for a block.
pub(super) fn pools(text: &OptionText<'_>, problems: &mut Vec<Problem>) -> Vec<Cidr> {
    let mut found: Vec<Cidr> = Vec::new();
    for part in text.trimmed.split(',').map(str::trim) {
        match pool(text, part) {
            Err(problem) => problems.push(*problem),
            Ok(cidr) => match found.iter().find(|other| other.family() == cidr.family()) {
                Some(first) => problems.push(
                    text.problem(part, format!("is a second {} network after {first}", cidr.family()))
                        .remedy("name at most one network a family; more pools can be made by hand when manage-pools is false"),
                ),
                None => found.push(cidr),
            },
        }
    }
    found
}

fn pool(text: &OptionText<'_>, part: &str) -> Result<Cidr, Box<Problem>> {
    if part.is_empty() {
        let problem =
            Problem::new(text.option, "", "has an empty entry").at(text.position_of(part));
        return Err(Box::new(problem.remedy("leave out the comma")));
    }
    if part.contains(char::is_whitespace) {
        let problem = text
            .problem(part, "has blanks inside")
            .remedy("separate networks by commas");
        return Err(Box::new(problem));
    }
    let cidr: Cidr = part.parse().map_err(|error| text.refused(part, &error))?;
    check_range(text, part, cidr)?;
    let block = cidr.family().default_block_size();
    if cidr.prefix() > block {
        let rule = format!(
            "has no room for a block of addresses, which is a /{block} in {}",
            cidr.family()
        );
        let remedy = format!("name a network of /{block} or larger, with a block for every unit");
        return Err(Box::new(text.problem(part, rule).remedy(remedy)));
    }
    Ok(cidr)
}

/// Networks for services: separated by blanks or commas, the latter because `service-cidr` of the control plane, which
/// users copy here, has them. A bare address stands for itself, as in Calico before 3.32; a repetition counts once.
pub(super) fn services(text: &OptionText<'_>, problems: &mut Vec<Problem>) -> Vec<Cidr> {
    let separator = |char: char| char == ',' || char.is_whitespace();
    let mut found: Vec<Cidr> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for part in text
        .trimmed
        .split(separator)
        .filter(|part| !part.is_empty())
    {
        let cidr = match part.parse::<Cidr>() {
            Ok(cidr) => Ok(cidr),
            Err(CidrError::NoPrefix(address))
                if address.family() == Family::V4 || !is_mapped(part) =>
            {
                Ok(address)
            }
            Err(error) => Err(Box::new(text.refused(part, &error))),
        };
        match cidr.and_then(|cidr| check_range(text, part, cidr).map(|()| cidr)) {
            Ok(cidr) if seen.insert(cidr) => found.push(cidr),
            Ok(_) => {}
            Err(problem) => problems.push(*problem),
        }
    }
    found
}

fn is_mapped(part: &str) -> bool {
    part.parse::<std::net::IpAddr>()
        .is_ok_and(|ip| ip.to_canonical() != ip)
}

fn check_range(text: &OptionText<'_>, part: &str, cidr: Cidr) -> Result<(), Box<Problem>> {
    match cidr.unusable_range() {
        None => Ok(()),
        Some((range, purpose)) => {
            let rule = format!("overlaps {range}, which is for {purpose} addresses");
            Err(Box::new(text.problem(part, rule).remedy(
                "choose a network outside it, e.g. in 10.0.0.0/8 or fd00::/8",
            )))
        }
    }
}
