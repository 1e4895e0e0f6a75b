//! The scripts of the browser phone: JsSIP as npm has unpacked it, joined into one file, and what is
//! ours. bin/test fetches the packages; their versions and digests are in `browser/package-lock.json`.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::exchange::build_folder;

const PAGE: &str = "<!doctype html><meta charset=utf-8><title>phone</title><body>\
                    <script src=jssip.js></script><script src=phone.js></script>";
const LOADER: &str = include_str!("../../browser/loader.js");
const PHONE: &str = include_str!("../../browser/phone.js");

/// Where bin/test lets npm unpack them.
fn packages() -> PathBuf {
    build_folder().join("interop-browser/node_modules")
}

/// Whether the packages are there; otherwise a sentence says what is missing.
pub(super) fn check() -> Result<(), String> {
    let folder = packages();
    let is_there = folder.join("jssip/package.json").is_file();
    is_there.then_some(()).ok_or_else(|| {
        format!(
            "the npm package jssip is missing in {}; `bin/test setup` fetches it",
            folder.display()
        )
    })
}

/// Writes the page with its scripts into a folder; the path of the page.
pub(super) fn write(folder: &Path) -> PathBuf {
    let (mut entries, mut modules) = (json!({}), String::new());
    let packages = packages();
    for package in files_in(&packages).filter(|path| path.join("package.json").is_file()) {
        let name = module_name(&packages, &package);
        entries[&name] = format!("{name}/{}", entry(&package)).into();
        collect(&packages, &package, &mut modules);
    }
    let script =
        format!("{{\nconst entries = {entries};\nconst modules = {{\n{modules}}};\n{LOADER}}}\n");
    let page = folder.join("page.html");
    for (path, content) in [
        (&folder.join("jssip.js"), script.as_str()),
        (&folder.join("phone.js"), PHONE),
        (&page, PAGE),
    ] {
        fs::write(path, content).expect("a file can be written");
    }
    page
}

/// The file that a package begins with in a browser.
fn entry(package: &Path) -> String {
    let text =
        fs::read_to_string(package.join("package.json")).expect("a package describes itself");
    let description: Value = serde_json::from_str(&text).expect("a package description is JSON");
    let named = ["browser", "main"]
        .iter()
        .find_map(|key| description[key].as_str());
    let named = named.unwrap_or("index.js");
    let named = named
        .strip_prefix("./")
        .unwrap_or(named)
        .trim_end_matches('/');
    [
        named.to_owned(),
        format!("{named}.js"),
        format!("{named}/index.js"),
    ]
    .into_iter()
    .find(|candidate| package.join(candidate).is_file())
    .unwrap_or_else(|| panic!("{} has no file {named}", package.display()))
}

/// Wraps each module and each description below a folder in a function.
fn collect(packages: &Path, folder: &Path, modules: &mut String) {
    for path in files_in(folder) {
        if path.is_dir() {
            collect(packages, &path, modules);
            continue;
        }
        let name = module_name(packages, &path);
        let before = match name.rsplit('.').next() {
            Some("js") => "",
            Some("json") => "module.exports = ",
            _ => continue,
        };
        let text = fs::read_to_string(&path).expect("a module is text");
        let is_program = text.starts_with("#!");
        if !is_program {
            modules.push_str(&format!(
                "{}: function (module, exports, require) {{ {before}{text}\n}},\n",
                json!(name)
            ));
        }
    }
}

fn module_name(packages: &Path, path: &Path) -> String {
    let inside = path
        .strip_prefix(packages)
        .expect("a package is in its folder");
    inside.to_string_lossy().into_owned()
}

/// What is in a folder, in order.
fn files_in(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder can be read");
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths.into_iter()
}
