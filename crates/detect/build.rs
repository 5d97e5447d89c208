//! Lists the rules of the repository's `rules/`, so that they are compiled in.

use std::{env, fmt::Write as _, fs, path::Path, path::PathBuf};

fn main() {
    // Relative to the package, and asked for at run time: a target directory may serve several clones.
    let rules = Path::new("../../rules");
    println!("cargo::rerun-if-changed={}", rules.display());
    let mut files = Vec::new();
    collect(rules, &mut files);
    files.sort();
    assert!(!files.is_empty(), "no rules in {}/{}", env::current_dir().unwrap_or_default().display(), rules.display());
    let mut list = String::from("[\n");
    for file in files {
        println!("cargo::rerun-if-changed={}", file.display());
        let name = file.strip_prefix(rules).unwrap_or(&file).display().to_string();
        let path = format!("/{}", file.display());
        let _ = writeln!(list, "    ({name:?}, include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {path:?}))),");
    }
    list.push_str("]\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("rules.rs");
    if let Err(error) = fs::write(&out, list) {
        panic!("cannot write {}: {error}", out.display());
    }
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            println!("cargo::rerun-if-changed={}", path.display());
            collect(&path, files);
        } else if path.extension().is_some_and(|end| end == "yml" || end == "yaml") {
            files.push(path);
        }
    }
}
