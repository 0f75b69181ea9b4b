//! Arguments as Juju's tools read them (`github.com/juju/gnuflag`): options before, between and after other arguments.

use super::Refusal;

/// An option a tool knows, by all its names; the first one is what the tool asks for.
#[derive(Debug, Clone, Copy)]
pub enum Flag {
    /// Given or not.
    Switch(&'static [&'static str]),
    /// Followed by a value.
    Value(&'static [&'static str]),
}

/// The arguments of one call.
#[derive(Debug, Default)]
pub struct Arguments {
    options: Vec<(&'static str, String)>,
    rest: Vec<String>,
}

impl Flag {
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Switch(names) | Self::Value(names) => names,
        }
    }
}

impl Arguments {
    /// Tells options and other arguments apart; after `--` there are no more options.
    pub(super) fn parse(args: &[String], flags: &'static [Flag]) -> Result<Self, Refusal> {
        let mut parsed = Self::default();
        let mut args = args.iter();
        while let Some(argument) = args.next() {
            if argument == "--" {
                parsed.rest.extend(args.cloned());
                break;
            }
            let Some((name, mut value)) = split(argument) else {
                parsed.rest.push(argument.clone());
                continue;
            };
            let dashed = dashed(name);
            let flag = flags
                .iter()
                .find(|flag| flag.names().contains(&name))
                .ok_or_else(|| {
                    Refusal::usage(format!("option provided but not defined: {dashed}"))
                })?;
            if matches!(flag, Flag::Value(_)) && value.is_none() {
                value = args.next().map(String::as_str);
                if value.is_none() {
                    return Err(Refusal::usage(format!(
                        "option needs an argument: {dashed}"
                    )));
                }
            }
            let value = value.unwrap_or("true").to_owned();
            parsed.options.push((flag.names()[0], value));
        }
        Ok(parsed)
    }

    /// The value of an option by its first name; the last one counts.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.options
            .iter()
            .rev()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether a switch is given.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.value(name).is_some_and(|value| value != "false")
    }

    /// All arguments that are no options.
    pub(super) fn rest(&self) -> &[String] {
        &self.rest
    }

    /// The arguments that are no options, of which there may be this many.
    pub(super) fn at_most(&self, count: usize) -> Result<&[String], Refusal> {
        match self.rest.get(count..) {
            Some(more) if !more.is_empty() => {
                Err(Refusal::usage(format!("unrecognized args: {more:?}")))
            }
            _ => Ok(&self.rest),
        }
    }

    /// `key=value` arguments; a key twice is refused (`github.com/juju/utils/keyvalues`).
    pub(super) fn pairs(&self) -> Result<Vec<(String, String)>, Refusal> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for text in &self.rest {
            let (key, value) = text
                .split_once('=')
                .filter(|(key, _)| !key.is_empty())
                .ok_or_else(|| Refusal::usage(format!("expected \"key=value\", got {text:?}")))?;
            if pairs.iter().any(|(known, _)| known == key) {
                return Err(Refusal::usage(format!(
                    "key {key:?} specified more than once"
                )));
            }
            pairs.push((key.to_owned(), value.to_owned()));
        }
        Ok(pairs)
    }
}

/// `--name`, `--name=value`, `-n`, `-nvalue`; `-` alone is no option.
fn split(argument: &str) -> Option<(&str, Option<&str>)> {
    if let Some(long) = argument.strip_prefix("--") {
        return Some(match long.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (long, None),
        });
    }
    let short = argument.strip_prefix('-')?;
    let end = short
        .char_indices()
        .nth(1)
        .map_or(short.len(), |(end, _)| end);
    let (name, value) = short.split_at_checked(end)?;
    if name.is_empty() {
        return None;
    }
    let value = value.strip_prefix('=').unwrap_or(value);
    Some((name, (!value.is_empty()).then_some(value)))
}

fn dashed(name: &str) -> String {
    if name.chars().count() == 1 {
        format!("-{name}")
    } else {
        format!("--{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAGS: &[Flag] = &[
        Flag::Value(&["format"]),
        Flag::Value(&["r", "relation"]),
        Flag::Switch(&["app"]),
    ];

    fn parse(args: &[&str]) -> Result<Arguments, Refusal> {
        let args: Vec<String> = args.iter().map(|text| (*text).to_owned()).collect();
        Arguments::parse(&args, FLAGS)
    }

    #[test]
    fn options_stand_anywhere() {
        for (args, format, relation, rest) in [
            (
                &["--format=json", "-r", "cni:4", "-", "u/0"][..],
                Some("json"),
                Some("cni:4"),
                &["-", "u/0"][..],
            ),
            (
                &["-", "u/0", "--format", "json"],
                Some("json"),
                None,
                &["-", "u/0"],
            ),
            (&["-rcni:4"], None, Some("cni:4"), &[]),
            (&["--relation=cni:4"], None, Some("cni:4"), &[]),
            (
                &["blocked", "--", "--format", "-x"],
                None,
                None,
                &["blocked", "--format", "-x"],
            ),
            (&["--format=a", "--format=b"], Some("b"), None, &[]),
        ] {
            let parsed = parse(args).unwrap();
            assert_eq!(parsed.value("format"), format, "{args:?}");
            assert_eq!(parsed.value("r"), relation, "{args:?}");
            assert_eq!(parsed.rest(), rest, "{args:?}");
            assert!(!parsed.is_set("app"));
        }
        assert!(parse(&["--app"]).unwrap().is_set("app"));
    }

    #[test]
    fn wrong_usage_is_named() {
        for (args, text) in [
            (
                &["--nonsense"][..],
                "option provided but not defined: --nonsense",
            ),
            (&["-x"], "option provided but not defined: -x"),
            (&["-r"], "option needs an argument: -r"),
        ] {
            match parse(args) {
                Err(Refusal::Usage(found)) => assert_eq!(found, text),
                other => panic!("{args:?}: {other:?}"),
            }
        }
        let pairs = |args: &[&str]| parse(args).unwrap().pairs();
        assert!(matches!(pairs(&["a=1", "b=x=y"]), Ok(pairs) if pairs[1].1 == "x=y"));
        for args in [&["a"][..], &["=1"], &["a=1", "a=2"]] {
            assert!(matches!(pairs(args), Err(Refusal::Usage(_))), "{args:?}");
        }
    }
}
