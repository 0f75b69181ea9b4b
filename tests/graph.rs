//! Pictures of fabrics: what is in them, and that they can be read.
//!
//! `tests/graph/<case>.<format>` and `docs/pictures/*.svg` hold pictures word for word. `UPDATE_GOLDEN=1` rewrites them;
//! look at what changed before you commit it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

#[path = "graph/page.rs"]
mod page;

use page::Page;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs the program from the repository's root.
fn run(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_calico-charm"))
        .args(arguments)
        .current_dir(root())
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program has been built");
    let mut stdin = child.stdin.take().expect("it was asked for");
    let input = input.to_owned();
    // A program that refuses its arguments reads nothing.
    let writer = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = child.wait_with_output().expect("it was started");
    writer.join().expect("it only writes");
    output
}

/// The picture of a file of the repository.
fn picture(file: &str, format: &str) -> String {
    drawn(&["graph", file, "--format", format], "")
}

/// The picture of a text.
fn picture_of(fabric: &str, format: &str) -> String {
    drawn(&["graph", "-", "--format", format], fabric)
}

fn drawn(arguments: &[&str], input: &str) -> String {
    let output = run(arguments, input);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {errors}");
    assert_eq!(errors, "", "{arguments:?}");
    String::from_utf8(output.stdout).expect("pictures are UTF-8")
}

/// The output of `examples/generate-fleet`.
fn fleet(units: &str) -> String {
    let output = Command::new(root().join("examples/generate-fleet"))
        .arg(units)
        .output()
        .expect("the examples are part of the project");
    String::from_utf8(output.stdout).expect("it prints text")
}

/// Examples and the fabrics of findings that can be drawn, by file.
fn fabrics() -> Vec<String> {
    let mut found = Vec::new();
    for folder in ["examples", "tests/findings", "tests/findings/seeds"] {
        let entries = fs::read_dir(root().join(folder)).expect("part of the project");
        for entry in entries {
            let path = entry.expect("it can be read").path();
            let files = [path.clone(), path.join("failing.yaml")];
            let yaml = |file: &&PathBuf| {
                file.is_file() && file.extension().is_some_and(|end| end == "yaml")
            };
            let file = files.iter().find(yaml);
            found.extend(file.and_then(|file| {
                let file = file.strip_prefix(root()).ok()?.to_str()?.to_owned();
                // Options that are refused give no picture.
                run(&["graph", &file], "").status.success().then_some(file)
            }));
        }
    }
    found.sort();
    assert!(found.len() > 30, "{found:?}");
    found
}

/// Names of the machines in a fabric file.
fn machines(fabric: &str) -> Vec<&str> {
    fabric
        .split("node: ")
        .skip(1)
        .filter_map(|rest| rest.split([',', '}', '\n']).next())
        .collect()
}

fn same(found: &str, path: &str) {
    let path = root().join(path);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, found).expect("the folder is part of the project");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, expected, "{}", path.display());
}

#[test]
fn small_fabrics_are_drawn_as_they_always_were() {
    for (case, file) in [
        ("as-per-rack", "examples/as-per-rack.yaml"),
        ("two-subnets-router", "examples/two-subnets-router.yaml"),
        ("fleet-200", "examples/fleet-200.yaml"),
        ("wrong-as-number", "tests/graph/wrong-as-number.yaml"),
    ] {
        for (format, end) in [("dot", "dot"), ("mermaid", "mmd"), ("text", "txt")] {
            same(&picture(file, format), &format!("tests/graph/{case}.{end}"));
        }
    }
}

#[test]
fn the_pictures_of_the_documentation_are_those_that_the_program_draws() {
    for (name, file) in [
        ("as-per-rack", "examples/as-per-rack.yaml"),
        ("wrong-as-number", "tests/graph/wrong-as-number.yaml"),
    ] {
        same(&picture(file, "svg"), &format!("docs/pictures/{name}.svg"));
    }
}

#[test]
fn every_drawing_is_well_formed_and_nothing_in_it_overlaps() {
    for file in fabrics() {
        let page =
            Page::parse(&picture(&file, "svg")).unwrap_or_else(|error| panic!("{file}: {error}"));
        let wrong = page.problems();
        assert!(wrong.is_empty(), "{file}: {wrong:#?}");
    }
}

#[test]
fn large_fleets_are_one_readable_file() {
    for (units, items) in [("200", 25), ("1000", 125), ("5000", 625)] {
        let svg = picture_of(&fleet(units), "svg");
        assert!(svg.len() < 1_000_000, "{units}: {} bytes", svg.len());
        let page = Page::parse(&svg).unwrap_or_else(|error| panic!("{units}: {error}"));
        // A router, two reflectors and two kinds of other nodes a rack.
        assert_eq!(page.items.len(), items, "{units}");
        let wrong = page.problems();
        assert!(wrong.is_empty(), "{units}: {wrong:#?}");
        let ratio = page.width / page.height;
        assert!(
            (0.5..2.5).contains(&ratio),
            "{units}: {} by {}",
            page.width,
            page.height
        );
        let counted: u32 = page
            .items
            .values()
            .filter_map(|lines| lines.first()?.strip_suffix(" nodes")?.parse::<u32>().ok())
            .sum();
        let reflectors = u32::try_from(items / 5 * 2).expect("small");
        assert_eq!(
            counted + reflectors,
            units.parse::<u32>().expect("a number")
        );
    }
}

#[test]
fn a_fleet_without_racks_or_likeness_is_still_one_readable_file() {
    // Each machine with a subnet and an AS number of its own.
    let mut numbers = String::new();
    let mut units = String::new();
    for unit in 0..300_u32 {
        let (high, low) = (unit / 100, unit % 100 * 2);
        let leader = if unit == 0 { ", leader: true" } else { "" };
        writeln!(numbers, "    {unit}: {}", 4_200_000_000 + unit).expect("a String takes it");
        writeln!(
            units,
            "  calico/{unit}: {{node: n{unit}, addresses: [10.0.{high}.{low}/31]{leader}}}"
        )
        .expect("a String takes it");
    }
    let fabric = format!("options:\n  unit-as-numbers: |\n{numbers}units:\n{units}");
    let svg = picture_of(&fabric, "svg");
    assert!(svg.len() < 1_000_000, "{} bytes", svg.len());
    let page = Page::parse(&svg).expect("well-formed");
    assert_eq!(page.problems(), Vec::<String>::new());
    assert_eq!(page.items.len(), 1, "{:?}", page.items);
    assert!(svg.contains(">300 nodes<"));
}

/// The checks of these tests have to see what is wrong.
#[test]
fn a_drawing_with_a_mistake_is_told() {
    let good = picture("tests/graph/wrong-as-number.yaml", "svg");
    assert_eq!(
        Page::parse(&good).expect("well-formed").problems(),
        Vec::<String>::new()
    );
    for broken in [
        good.replacen("</text>", "", 1),
        good.replacen("</g>", "", 1),
        good.replacen("AS 64512", "AS & 64512", 1),
        good.replacen("<rect ", "<script/><rect ", 1),
        good.replacen(" x=\"", " x=\"1\" x=\"", 1),
    ] {
        assert!(Page::parse(&broken).is_err());
    }
    let wide = " class=\"b\">rack0-node2<";
    let name = good.find(wide).expect("a name");
    let start = good[..name].rfind("<text ").expect("its element");
    let text = good[start..].split("</text>").next().expect("its end");
    for (broken, words) in [
        (
            good.replace(text, &format!("{text}{}", "x".repeat(200))),
            "outside",
        ),
        (
            good.replace(text, &format!("{text}</text>{text}")),
            "rack0-node2 is over rack0-node2",
        ),
        (
            good.replace(
                &good[start..name],
                &good[start..name].replace("x=\"", "x=\"-"),
            ),
            "outside",
        ),
        (
            good.replace("font-size:10px\"", "font-size:7px\""),
            "too small",
        ),
        (good.replace("translate(0 ", "translate(0 -"), "is over"),
    ] {
        let found = Page::parse(&broken).expect("well-formed").problems();
        assert!(
            found.iter().any(|problem| problem.contains(words)),
            "{words}: {found:?}"
        );
    }
}

#[test]
fn every_machine_and_router_is_in_the_picture_once() {
    for file in [
        "examples/as-per-rack.yaml",
        "examples/dual-stack.yaml",
        "examples/route-reflectors.yaml",
        "examples/two-subnets-router.yaml",
    ] {
        let fabric = fs::read_to_string(root().join(file)).expect("part of the project");
        let page = Page::parse(&picture(file, "svg")).expect("well-formed");
        let names: Vec<&String> = page
            .items
            .values()
            .filter_map(|lines| lines.first())
            .collect();
        for machine in machines(&fabric) {
            let found = names.iter().filter(|name| **name == machine).count();
            assert_eq!(found, 1, "{file}: {machine} in {names:?}");
        }
        let routers = fabric.split("as-number: ").count();
        assert!(
            names.len() >= machines(&fabric).len() && routers > 0,
            "{file}"
        );
    }
    let dot = picture("examples/as-per-rack.yaml", "dot");
    for name in ["rack0-node0", "rack1-node3", "tor-0", "tor-1"] {
        assert_eq!(
            dot.matches(&format!("[label=\"{name}\\n")).count(),
            1,
            "{name}"
        );
    }
}

/// Sessions that labels in a drawing say are down: `×19 F020 AS_MISMATCH`.
fn labelled(page: &Page) -> u64 {
    let labels = page.texts.iter().filter(|text| text.bad && !text.in_item);
    labels
        .filter_map(|text| {
            let mut words: Vec<&str> = text.text.split(' ').collect();
            let status = words.pop()?;
            let code = words.pop()?;
            let known = code.len() == 4 && code.starts_with('F');
            let screams = status
                .chars()
                .all(|letter| letter.is_ascii_uppercase() || letter == '_');
            let count = match words.first() {
                Some(times) => times.strip_prefix('×')?.parse().ok()?,
                None => 1,
            };
            (known && screams).then_some(count)
        })
        .sum()
}

#[test]
fn every_session_that_is_down_has_its_finding_beside_it() {
    let broken = fleet("200").replace("10.0.5.0/24: 64514", "10.0.5.0/24: 64614");
    let mut drawings = vec![(
        "a wrong AS number of a rack".to_owned(),
        picture_of(&broken, "svg"),
    )];
    for finding in ["F020", "F021", "F032"] {
        let file = format!("tests/findings/{finding}/failing.yaml");
        let drawing = picture(&file, "svg");
        assert!(drawing.contains(&format!(">{finding} ")), "{file}");
        drawings.push((file, drawing));
    }
    for (case, drawing) in drawings {
        let page = Page::parse(&drawing).expect("well-formed");
        let totals = page
            .texts
            .iter()
            .find_map(|text| text.text.strip_suffix(" down"));
        let down: u64 = totals
            .and_then(|totals| totals.rsplit(' ').next())
            .and_then(|down| down.parse().ok())
            .unwrap_or_else(|| panic!("{case}: no totals"));
        assert!(down > 0, "{case}");
        assert_eq!(labelled(&page), down, "{case}");
    }
}

#[test]
fn the_mesh_is_one_band_however_many_nodes_it_joins() {
    let mut sizes = BTreeMap::new();
    for nodes in [10_u32, 60] {
        let mut fabric = String::from("units:\n");
        for node in 0..nodes {
            let leader = if node == 0 { ", leader: true" } else { "" };
            writeln!(
                fabric,
                "  calico/{node}: {{node: n{node}, addresses: [10.0.0.{}/24]{leader}}}",
                node + 10
            )
            .expect("a String takes it");
        }
        let svg = picture_of(&fabric, "svg");
        assert!(
            !svg.contains("class=\"w "),
            "a line in a fabric without peers"
        );
        let sessions = nodes * (nodes - 1) / 2;
        assert!(
            svg.contains(&format!("{nodes} nodes, {sessions} sessions<")),
            "{nodes}"
        );
        sizes.insert(nodes, svg.len());
    }
    assert!(sizes[&60] < 6 * sizes[&10], "{sizes:?}");
}

const HOSTILE: &str = r#"options:
  global-bgp-peers: "[{address: 10.0.0.1, as-number: 65000}]"
units:
  calico/0: {node: a, addresses: [10.0.0.2/24], leader: true, zone: "</text><script>x</script>\"]:::bad\nend\\"}
  calico/1: {node: b, addresses: [10.0.0.3/24], zone: "</text><script>x</script>\"]:::bad\nend\\"}
routers:
  "<&'\"]]> --> #quot; | \u001b[31m \u202e": {addresses: [10.0.0.1/24], as-number: 65000}
"#;

#[test]
fn text_of_others_is_escaped_in_every_format() {
    let svg = picture_of(HOSTILE, "svg");
    let page = Page::parse(&svg).expect("well-formed");
    assert_eq!(page.problems(), Vec::<String>::new());
    assert!(!svg.contains("<script"));
    assert!(
        page.items
            .values()
            .any(|lines| lines[0].starts_with("<&'\"]]> ")),
        "{:?}",
        page.items
    );

    let dot = picture_of(HOSTILE, "dot");
    for line in dot.lines() {
        let quotes = line
            .replace("\\\\", "")
            .replace("\\\"", "")
            .matches('"')
            .count();
        assert_eq!(quotes % 2, 0, "{line}");
    }
    let mermaid = picture_of(HOSTILE, "mermaid");
    assert!(
        mermaid
            .lines()
            .all(|line| line.matches('"').count() % 2 == 0),
        "{mermaid}"
    );
    assert!(
        !mermaid.contains("<script") && !mermaid.contains("]:::bad\n  end"),
        "{mermaid}"
    );
    for format in ["svg", "dot", "mermaid", "text"] {
        let picture = picture_of(HOSTILE, format);
        let forged = picture
            .chars()
            .any(|letter| (letter.is_control() && letter != '\n') || letter == '\u{202e}');
        assert!(!forged, "{format}");
    }
}

#[test]
fn text_stays_within_a_terminal() {
    for file in fabrics() {
        for line in picture(&file, "text").lines() {
            assert!(line.chars().count() <= 100, "{file}: {line}");
        }
    }
}

#[test]
fn the_format_is_that_of_the_files_ending() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, start) in [
        ("x.svg", "<svg "),
        ("x.dot", "graph fabric {"),
        ("x.gv", "graph fabric {"),
        ("x.MMD", "flowchart TB"),
        ("x.txt", "calico: 3 nodes"),
    ] {
        let path = folder.path().join(name);
        let arguments = [
            "graph",
            "examples/default.yaml",
            "-o",
            path.to_str().expect("UTF-8"),
        ];
        assert_eq!(drawn(&arguments, ""), "", "{name}");
        let found = fs::read_to_string(&path).expect("it was written");
        assert!(found.starts_with(start), "{name}: {found}");
    }
    // Where nobody looks at a terminal, the drawing.
    assert!(drawn(&["graph", "examples/default.yaml"], "").starts_with("<svg "));
}

#[test]
fn what_cannot_be_drawn_is_refused() {
    for (arguments, status, words) in [
        (
            &["graph", "examples/default.yaml", "-o", "picture.pdf"][..],
            64,
            "add --format",
        ),
        (
            &["graph", "examples/default.yaml", "-o", "nowhere/x.svg"],
            1,
            "cannot write nowhere/x.svg",
        ),
        (&["graph", "tests/findings/F004/failing.yaml"], 1, "F004"),
    ] {
        let output = run(arguments, "");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            output.status.code(),
            Some(status),
            "{arguments:?}: {errors}"
        );
        assert!(errors.contains(words), "{arguments:?}: {errors}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}
