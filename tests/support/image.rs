//! Container images without a registry: a static busybox in a tar file.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use serde_json::json;

/// The commands of busybox that stand in an image's `/bin`.
const COMMANDS: [&str; 30] = [
    "awk", "cat", "chmod", "cp", "cut", "date", "dd", "echo", "env", "false", "grep", "head", "httpd",
    "kill", "ls", "mkdir", "nc", "printf", "rm", "sed", "seq", "sh", "sleep", "tail", "test", "touch", "tr",
    "true", "usleep", "wget",
];

/// Makes `layer.tar` in the folder: a file system with a static busybox under the names of its [`COMMANDS`].
pub(crate) fn layer(busybox: &Path, folder: &Path) -> PathBuf {
    let (root, layer) = (folder.join("rootfs"), folder.join("layer.tar"));
    for name in ["bin", "tmp", "etc", "proc", "sys", "dev"] {
        fs::create_dir_all(root.join(name)).expect("a folder of the image");
    }
    fs::write(root.join("etc/passwd"), "root:x:0:0:root:/:/bin/sh\n").expect("the image's users");
    fs::copy(busybox, root.join("bin/busybox")).expect("busybox is copied");
    for name in COMMANDS {
        symlink("busybox", root.join("bin").join(name)).expect("a link");
    }
    tar(&root, &layer, &["."]);
    layer
}

/// Makes `archive.tar` of a [`layer`] as `docker save` would: an image of this name that runs this command.
pub(crate) fn archive(layer: &Path, name: &str, command: &[&str]) -> PathBuf {
    let folder = layer.parent().expect("a file lies in a folder");
    let sum = Command::new("sha256sum")
        .arg(layer)
        .output()
        .expect("sha256sum starts");
    let sum = String::from_utf8(sum.stdout).expect("a sum is text");
    let sum = sum.split_whitespace().next().expect("the sum stands first");
    let architecture = match env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let config = json!({
        "architecture": architecture,
        "os": "linux",
        "config": { "Entrypoint": command, "Env": ["PATH=/bin"] },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{sum}")] },
    });
    let manifest = json!([{ "Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"] }]);
    fs::write(folder.join("config.json"), config.to_string()).expect("the image's settings");
    fs::write(folder.join("manifest.json"), manifest.to_string()).expect("the image's list");
    let archive = folder.join("archive.tar");
    tar(folder, &archive, &["manifest.json", "config.json", "layer.tar"]);
    archive
}

fn tar(folder: &Path, archive: &Path, names: &[&str]) {
    let status = Command::new("tar")
        .arg("--create")
        .arg("--owner=0")
        .arg("--group=0")
        .arg("--directory")
        .arg(folder)
        .arg("--file")
        .arg(archive)
        .args(names)
        .status();
    assert!(status.expect("tar starts").success(), "tar fails");
}
