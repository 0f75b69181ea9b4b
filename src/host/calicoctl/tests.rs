use std::os::unix::fs::symlink;
use std::process::Command as Process;

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;

use super::*;
use crate::host::namespaces::{ran_in_namespaces, shell};

/// A machine in a folder, and a resource for it.
struct Site {
    folder: TempDir,
}

/// What an archive holds as calicoctl.
fn program(machine: u16, seed: u64) -> Vec<u8> {
    let mut program = vec![0; 20];
    program[..4].copy_from_slice(b"\x7fELF");
    program[18..].copy_from_slice(&machine.to_le_bytes());
    // Something that does not compress.
    let mut state = seed;
    program.extend((0..1_500_000).map(|_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state.to_be_bytes()[0]
    }));
    program
}

fn ours(seed: u64) -> Vec<u8> {
    program(resource().expect("an architecture of the charm's").1, seed)
}

impl Site {
    fn new() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
        }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    fn write(&self, name: &str, content: &[u8], mode: u32) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    }

    /// A resource whose archive has this file.
    fn resource(&self, name: &str, content: &[u8]) -> PathBuf {
        let inside = self.folder.path().join("inside");
        let _there_was_none = fs::remove_dir_all(&inside);
        let file = inside.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, content).unwrap();
        let archive = self.folder.path().join("calico.tar.gz");
        let packed = Process::new("tar")
            .args(["--create", "--gzip", "--file"])
            .arg(&archive)
            .arg("-C")
            .arg(&inside)
            .arg(".")
            .status();
        assert!(packed.unwrap().success());
        archive
    }

    fn install(&self, archive: &Path) -> Result<Calicoctl, CalicoctlError> {
        let root = self.root();
        let installation = Installation::below(&root);
        installation.install(archive)
    }

    fn mode(&self, name: &str) -> u32 {
        fs::symlink_metadata(self.path(name)).unwrap().mode() & 0o7777
    }

    /// Every file below the root.
    fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.root()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(self.root()).unwrap();
                    found.push(name.display().to_string());
                }
            }
        }
        found.sort();
        found
    }
}

const BOTH: [&str; 2] = [PROGRAM, WRAPPER];

#[test]
fn it_is_installed_once_for_each_resource() {
    let site = Site::new();
    let root = site.root();
    let installation = Installation::below(&root);
    assert!(!installation.is_there());
    let archive = site.resource("calicoctl", &ours(1));
    assert_eq!(site.install(&archive).unwrap(), Calicoctl::Installed);
    assert!(installation.is_there());
    assert_eq!(fs::read(site.path(PROGRAM)).unwrap(), ours(1));
    assert_eq!(site.files(), BOTH);
    assert_eq!(BOTH.map(|name| site.mode(name)), [0o755, 0o755]);
    let before = fs::metadata(site.path(PROGRAM)).unwrap().ino();
    assert_eq!(site.install(&archive).unwrap(), Calicoctl::Current);
    assert_eq!(fs::metadata(site.path(PROGRAM)).unwrap().ino(), before);
    let archive = site.resource("calicoctl", &ours(2));
    assert_eq!(site.install(&archive).unwrap(), Calicoctl::Installed);
    assert_eq!(fs::read(site.path(PROGRAM)).unwrap(), ours(2));
    assert_eq!(site.files(), BOTH);
}

#[test]
fn the_archive_may_have_folders() {
    let site = Site::new();
    let archive = site.resource("release-v3.32.1/bin/calicoctl", &ours(1));
    assert_eq!(site.install(&archive).unwrap(), Calicoctl::Installed);
    assert_eq!(site.files(), BOTH);
}

#[test]
fn what_went_wrong_in_the_middle_is_made_good() {
    let site = Site::new();
    let archive = site.resource("calicoctl", &ours(1));
    site.install(&archive).unwrap();
    // Ended while it unpacked, and the program is lost as well.
    site.write(UNFINISHED, b"half", 0o600);
    fs::remove_file(site.path(PROGRAM)).unwrap();
    assert_eq!(site.install(&archive).unwrap(), Calicoctl::Installed);
    assert_eq!(site.files(), BOTH);
    // Ended before the wrapper was written.
    fs::remove_file(site.path(WRAPPER)).unwrap();
    assert_eq!(site.install(&archive).unwrap(), Calicoctl::Installed);
    // A later charm's wrapper differs.
    let text = fs::read_to_string(site.path(WRAPPER)).unwrap();
    site.write(WRAPPER, format!("{text}# more\n").as_bytes(), 0o755);
    assert_eq!(site.install(&archive).unwrap(), Calicoctl::Installed);
    assert_eq!(fs::read_to_string(site.path(WRAPPER)).unwrap(), text);
}

#[test]
fn a_bad_resource_leaves_what_is_there() {
    let other = if resource().unwrap().1 == 62 { 183 } else { 62 };
    let noise = &ours(3)[20..];
    let bad: [(&str, Vec<u8>, &str); 4] = [
        ("calicoctl", program(other, 3), "is not built for"),
        ("calicoctl", noise.to_vec(), "holds no program calicoctl"),
        ("kubectl", ours(3), "holds no program calicoctl"),
        (
            "calicoctl/README",
            noise.to_vec(),
            "holds no program calicoctl",
        ),
    ];
    let site = Site::new();
    for (name, content, says) in bad {
        for there_is_one in [false, true] {
            if there_is_one {
                let good = site.resource("calicoctl", &ours(1));
                site.install(&good).unwrap();
            } else {
                let _there_was_none = fs::remove_dir_all(site.root());
            }
            let before = site.files();
            let archive = site.resource(name, &content);
            let error = site.install(&archive).unwrap_err();
            assert!(error.to_string().contains(says), "{name}: {error}");
            assert_eq!(site.files(), before);
            if there_is_one {
                assert_eq!(fs::read(site.path(PROGRAM)).unwrap(), ours(1));
            }
        }
    }
}

#[test]
fn what_is_no_archive_is_told_apart() {
    let site = Site::new();
    let archive = site.folder.path().join("calico.tar.gz");
    fs::write(&archive, b"placeholder").unwrap();
    assert_eq!(site.install(&archive).unwrap(), Calicoctl::Placeholder(11));
    fs::write(&archive, ours(1)).unwrap();
    let error = site.install(&archive).unwrap_err();
    assert!(matches!(error, CalicoctlError::Archive(_)), "{error}");
    // Cut off, as by a lost connection.
    let whole = fs::read(site.resource("calicoctl", &ours(1))).unwrap();
    fs::write(&archive, &whole[..whole.len() - 1000]).unwrap();
    let error = site.install(&archive).unwrap_err();
    assert!(matches!(error, CalicoctlError::Archive(_)), "{error}");
    // Whole as a gzip file, and cut off inside.
    let mut cut = GzEncoder::new(Vec::new(), Compression::fast());
    let mut unpacked = MultiGzDecoder::new(&whole[..]).take(1_200_000);
    io::copy(&mut unpacked, &mut cut).unwrap();
    fs::write(&archive, cut.finish().unwrap()).unwrap();
    let error = site.install(&archive).unwrap_err();
    assert!(matches!(error, CalicoctlError::Archive(_)), "{error}");
    fs::remove_file(&archive).unwrap();
    let error = site.install(&archive).unwrap_err();
    assert!(matches!(error, CalicoctlError::Read { .. }), "{error}");
    assert_eq!(site.files(), [] as [&str; 0]);
}

#[test]
fn a_folder_that_cannot_be_written_to_is_told() {
    let site = Site::new();
    site.write(FOLDER, b"a file", 0o644);
    let archive = site.resource("calicoctl", &ours(1));
    let error = site.install(&archive).unwrap_err();
    assert!(matches!(error, CalicoctlError::Write { .. }), "{error}");
    assert_eq!(site.files(), [FOLDER]);
}

#[test]
fn a_wrapper_that_is_not_the_charms_stays() {
    let foreign: [&[u8]; 3] = [
        b"#!/bin/sh\nexec kubectl exec calicoctl -- \"$@\"\n",
        b"\x7fELF\x00\xff",
        b"",
    ];
    for text in foreign {
        let site = Site::new();
        site.write(WRAPPER, text, 0o700);
        let archive = site.resource("calicoctl", &ours(1));
        let installed = site.install(&archive).unwrap();
        assert_eq!(installed, Calicoctl::WithoutWrapper(site.path(WRAPPER)));
        assert_eq!(fs::read(site.path(WRAPPER)).unwrap(), text);
        let root = site.root();
        assert_eq!(Installation::below(&root).remove().left, [] as [&str; 0]);
        assert_eq!(site.files(), [WRAPPER]);
    }
    let site = Site::new();
    site.write("usr/local/lib/mine", b"mine", 0o755);
    fs::create_dir_all(site.path("usr/local/bin")).unwrap();
    symlink("../lib/mine", site.path(WRAPPER)).unwrap();
    let archive = site.resource("calicoctl", &ours(1));
    site.install(&archive).unwrap();
    assert_eq!(fs::read(site.path(WRAPPER)).unwrap(), b"mine");
}

#[test]
fn a_full_disk_leaves_what_is_there() {
    let name = "host::calicoctl::tests::a_full_disk_leaves_what_is_there";
    if ran_in_namespaces(name) {
        return;
    }
    let site = Site::new();
    fs::create_dir_all(site.path(FOLDER)).unwrap();
    let folder = site.path(FOLDER).display().to_string();
    assert!(shell(&format!("mount -t tmpfs -o size=2m none {folder}")));
    let archive = site.resource("calicoctl", &ours(1));
    site.install(&archive).unwrap();
    // Two of them do not fit, and the new one is complete before the old one goes.
    let archive = site.resource("calicoctl", &ours(2));
    let error = site.install(&archive).unwrap_err();
    let CalicoctlError::Write { source, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(source.kind(), io::ErrorKind::StorageFull);
    assert_eq!(fs::read(site.path(PROGRAM)).unwrap(), ours(1));
    assert_eq!(site.files(), BOTH);
}

/// What the etcd-based charm wrote.
const EARLIER_WRAPPER: &[u8] =
    b"#!/bin/sh\n. /opt/calicoctl/calicoctl.env\n/opt/calicoctl/calicoctl \"$@\"\n";

fn of_an_etcd_based_charm() -> Site {
    let site = Site::new();
    for name in ETCD_FILES {
        site.write(name, b"secret", 0o644);
    }
    site.write(PROGRAM, b"old", 0o755);
    site.write(WRAPPER, EARLIER_WRAPPER, 0o755);
    site
}

#[test]
fn etcd_credentials_are_closed_and_then_removed() {
    let site = of_an_etcd_based_charm();
    let root = site.root();
    let installation = Installation::below(&root);
    let closed = installation.clear_etcd_files(true);
    assert_eq!((closed.removed.len(), closed.left), (4, vec![]));
    assert_eq!(ETCD_FILES.map(|name| site.mode(name)), [0o600; 4]);
    assert_eq!(installation.clear_etcd_files(true), Cleared::default());
    let removed = installation.clear_etcd_files(false).removed;
    assert_eq!(
        removed,
        ETCD_FILES.map(|name| root.join(name).display().to_string())
    );
    assert_eq!(installation.clear_etcd_files(false), Cleared::default());
    let archive = site.resource("calicoctl", &ours(1));
    assert_eq!(site.install(&archive).unwrap(), Calicoctl::Installed);
    assert_eq!(fs::read(site.path(PROGRAM)).unwrap(), ours(1));
    assert_eq!(site.files(), BOTH);
}

#[test]
fn removal_takes_what_the_charm_put_there() {
    let site = of_an_etcd_based_charm();
    let root = site.root();
    let installation = Installation::below(&root);
    site.write(UNFINISHED, b"half", 0o600);
    let cleared = installation.remove();
    assert_eq!(cleared.left, [] as [&str; 0]);
    assert_eq!(site.files(), [] as [&str; 0]);
    assert!(!site.path(FOLDER).exists());
    assert_eq!(installation.remove(), Cleared::default());
    site.write("opt/calicoctl/notes.txt", b"mine", 0o644);
    let cleared = installation.remove();
    assert_eq!(cleared.removed, [] as [&str; 0]);
    assert!(cleared.left[0].ends_with("opt/calicoctl: holds other files"));
    assert_eq!(site.files(), ["opt/calicoctl/notes.txt"]);
}

#[test]
fn the_wrapper_finds_the_callers_kubeconfig() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let shown = "#!/bin/sh\necho \"$DATASTORE_TYPE ${KUBECONFIG:-none} $*\"\n";
    for (name, text) in [("program", shown), ("home", ""), ("root", "")] {
        fs::write(path(name), text).unwrap();
    }
    fs::set_permissions(path("program"), Permissions::from_mode(0o755)).unwrap();
    for home in ["ubuntu", "nobody"] {
        fs::create_dir_all(path(home)).unwrap();
    }
    fs::create_dir_all(path("ubuntu/.kube")).unwrap();
    fs::write(path("ubuntu/.kube/config"), "").unwrap();
    let text = Wrapper::text("00ff");
    assert_eq!(Wrapper::parse(&text), Wrapper::Ours("00ff".to_owned()));
    let run = |root: &str, variables: &[(&str, String)]| {
        let script = text
            .replace("/opt/calicoctl/calicoctl", &path("program"))
            .replace("/root/.kube/config", &path(root));
        let output = Process::new("sh")
            .args(["-euc", &script, "calicoctl", "get", "two words"])
            .env_clear()
            .envs(variables.iter().cloned())
            .output()
            .unwrap();
        assert!(output.stderr.is_empty(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let home = |name: &str| ("HOME", path(name));
    let kubeconfig = |text: &str| ("KUBECONFIG", text.to_owned());
    let own = path("ubuntu/.kube/config");
    for (root, variables, expected) in [
        ("root", vec![home("ubuntu")], format!("kubernetes {own}")),
        (
            "root",
            vec![home("nobody")],
            format!("kubernetes {}", path("root")),
        ),
        ("root", vec![], format!("kubernetes {}", path("root"))),
        ("absent", vec![home("nobody")], "kubernetes none".to_owned()),
        (
            "root",
            vec![home("ubuntu"), kubeconfig("mine")],
            "kubernetes mine".to_owned(),
        ),
        (
            "root",
            vec![home("ubuntu"), ("DATASTORE_TYPE", "etcdv3".to_owned())],
            format!("etcdv3 {own}"),
        ),
    ] {
        let shown = run(root, &variables);
        assert_eq!(
            shown,
            format!("{expected} get two words\n"),
            "{variables:?}"
        );
    }
}
