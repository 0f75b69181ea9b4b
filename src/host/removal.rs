//! Carries out what [`footprint`](super::footprint) decides. Performs IO. Every step may be taken twice, and one that fails keeps none of
//! the others from being taken.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::Value;

use super::commands::{CommandError, Commands};
use super::footprint::{
    BIRD_PROTOCOL, FELIX_PROTOCOL, Listed, NETWORK_FILES, Traces, links, mounts_under, rules, sets,
    still_there, tables,
};
use super::{Cleared, in_one_line};

/// The variants of iptables: Felix takes the one it finds in use, which may not be the machine's default.
const IPTABLES: [&str; 6] = [
    "iptables-nft",
    "iptables-legacy",
    "iptables",
    "ip6tables-nft",
    "ip6tables-legacy",
    "ip6tables",
];

/// The network files that are there.
pub fn files(root: &Path) -> Vec<String> {
    let there = |name: &&&str| fs::symlink_metadata(root.join(name)).is_ok();
    let shown = |name: &&str| root.join(name).display().to_string();
    NETWORK_FILES.iter().filter(there).map(shown).collect()
}

/// Removes Calico's files.
pub fn remove_files(root: &Path, cleared: &mut Cleared) {
    for name in NETWORK_FILES {
        let path = root.join(name);
        cleared.file(&path, remove_tree(&path));
    }
}

/// Like [`fs::remove_dir_all`], but stays on one file system: below a mount point are other people's things.
fn remove_tree(path: &Path) -> io::Result<()> {
    let data = fs::symlink_metadata(path)?;
    if !data.is_dir() {
        return fs::remove_file(path);
    }
    remove_folder(path, data.dev())
}

fn remove_folder(path: &Path, device: u64) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        let data = fs::symlink_metadata(&path)?;
        if !data.is_dir() {
            fs::remove_file(&path)?;
        } else if data.dev() == device {
            remove_folder(&path, device)?;
        } else {
            let mounted = format!("{} is mounted", path.display());
            return Err(io::Error::other(mounted));
        }
    }
    fs::remove_dir(path)
}

/// Unmounts what is in the way of [`remove_files`].
pub async fn unmount(mounts: &str, commands: &Commands, cleared: &mut Cleared) {
    for folder in NETWORK_FILES.map(|name| format!("/{name}")) {
        for path in mounts_under(mounts, &folder) {
            let done = commands.run("umount", &[&path]).await;
            cleared.say(format!("mount {path}"), done.map(drop));
        }
    }
}

/// Removes interfaces, routes, packet filter rules and sets, in the order in which they refer to each other.
pub async fn remove_from_kernel(traces: Traces, commands: &Commands, cleared: &mut Cleared) {
    match remove_links(traces, commands, cleared).await {
        Ok(()) => {}
        Err(error) => cleared
            .left
            .push(format!("interfaces and routes: {}", in_one_line(&error))),
    }
    for variant in IPTABLES {
        let done = remove_rules(variant, commands, cleared).await;
        cleared.unless_absent(variant, done);
    }
    let done = remove_tables(commands, cleared).await;
    cleared.unless_absent("nft tables", done);
    let done = remove_sets(commands, cleared).await;
    cleared.unless_absent("IP sets", done);
}

async fn json(commands: &Commands, args: &[&str]) -> Result<Value, CommandError> {
    let text = commands.run("ip", args).await?;
    // Some releases print nothing where there is nothing.
    Ok(serde_json::from_str(&text).unwrap_or_default())
}

async fn list_links(commands: &Commands) -> Result<Value, CommandError> {
    json(commands, &["-json", "-details", "link", "show"]).await
}

async fn routes(commands: &Commands, protocol: &str) -> Result<[Value; 2], CommandError> {
    let show = ["-json", "route", "show", "table", "all", "proto", protocol];
    let ipv4 = json(commands, &[&["-4"], &show[..]].concat()).await?;
    let ipv6 = match json(commands, &[&["-6"], &show[..]].concat()).await {
        // A kernel without IPv6 refuses.
        Err(CommandError::Failed { .. }) => Value::Null,
        routes => routes?,
    };
    Ok([ipv4, ipv6])
}

async fn remove_links(
    traces: Traces,
    commands: &Commands,
    cleared: &mut Cleared,
) -> Result<(), CommandError> {
    let listed = Listed {
        links: list_links(commands).await?,
        bird: routes(commands, BIRD_PROTOCOL).await?,
        felix: routes(commands, FELIX_PROTOCOL).await?,
    };
    let chosen = links(&listed, traces);
    cleared.left.extend(chosen.left);
    let mut told = chosen.told;
    for (family, batch) in [("-4", chosen.batch), ("-6", chosen.batch6)] {
        if batch.is_empty() {
            continue;
        }
        let input = batch.join("\n") + "\n";
        let args = [family, "-force", "-batch", "-"];
        if let Err(error) = commands.feed("ip", &args, Some(&input)).await {
            // Each line was tried; which of them failed is in the program's own words.
            cleared.left.push(in_one_line(&error));
            told.clear();
        }
    }
    cleared.removed.append(&mut told);
    if !chosen.interfaces.is_empty() {
        let left = still_there(&list_links(commands).await?, &chosen.interfaces);
        for name in chosen.interfaces {
            if left.contains(&name) {
                cleared.left.push(format!("interface {name}"));
            } else {
                cleared.removed.push(format!("interface {name}"));
            }
        }
    }
    Ok(())
}

async fn remove_rules(
    variant: &str,
    commands: &Commands,
    cleared: &mut Cleared,
) -> Result<(), CommandError> {
    let saved = commands.run(&format!("{variant}-save"), &[]).await?;
    let Some(found) = rules(&saved) else {
        return Ok(());
    };
    let restore = format!("{variant}-restore");
    commands
        .feed(&restore, &["--noflush"], Some(&found.restore))
        .await?;
    cleared.removed.push(format!(
        "{} chains and {} rules of {variant}",
        found.chains, found.rules
    ));
    Ok(())
}

async fn remove_tables(commands: &Commands, cleared: &mut Cleared) -> Result<(), CommandError> {
    let listed = commands.run("nft", &["list", "tables"]).await?;
    for [family, name] in tables(&listed) {
        commands
            .run("nft", &["delete", "table", family, name])
            .await?;
        cleared.removed.push(format!("nft table {family} {name}"));
    }
    Ok(())
}

async fn remove_sets(commands: &Commands, cleared: &mut Cleared) -> Result<(), CommandError> {
    let names = commands.run("ipset", &["list", "-name"]).await?;
    let sets = sets(&names);
    if sets.is_empty() {
        return Ok(());
    }
    let input = format!("destroy {}\n", sets.join("\ndestroy "));
    commands.feed("ipset", &["restore"], Some(&input)).await?;
    cleared.removed.push(format!("{} IP sets", sets.len()));
    Ok(())
}

#[cfg(test)]
mod tests;
