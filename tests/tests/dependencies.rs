//! What ecf8 depends on: licences, sources and versions are as deny.toml says, and nothing is compiled twice.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// What cargo says in the workspace.
fn cargo(args: &[&str]) -> String {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into()));
    let output = command.args(args).arg("--locked").current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn packages() -> Vec<Value> {
    let metadata: Value = serde_json::from_str(&cargo(&["metadata", "--format-version", "1"])).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// The strings of a list in deny.toml.
fn list(name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join("deny.toml")).unwrap();
    let from = text.split_once(&format!("\n{name} = [")).expect(name).1;
    let within = from.split_once(']').unwrap().0;
    within.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// A licence as packages name it: one of several, several at once, or a single one. `/` is the old way to write OR.
fn is_allowed(expression: &str, is_known: &dyn Fn(&str) -> bool) -> bool {
    let expression = expression.replace('/', " OR ");
    let (mut depth, mut parts) = (0, vec![(String::new(), "")]);
    for word in expression.replace('(', " ( ").replace(')', " ) ").split_whitespace() {
        depth += i32::from(word == "(") - i32::from(word == ")");
        if depth == 0 && ["AND", "OR"].contains(&word) {
            parts.push((String::new(), if word == "AND" { "AND" } else { "OR" }));
        } else {
            let part = &mut parts.last_mut().unwrap().0;
            part.push_str(if part.is_empty() { "" } else { " " });
            part.push_str(word);
        }
    }
    if let [(one, _)] = &parts[..] {
        let inner = one.strip_prefix("( ").and_then(|rest| rest.strip_suffix(" )"));
        return inner.map_or_else(|| is_known(one), |inner| is_allowed(inner, is_known));
    }
    // AND binds more strongly.
    let (mut any, mut all) = (false, true);
    for (part, before) in &parts {
        if *before == "OR" {
            any |= all;
            all = true;
        }
        all &= is_allowed(part, is_known);
    }
    any || all
}

#[test]
fn licences_are_those_of_deny_toml_and_each_of_these_is_needed() {
    for (expression, wanted) in [
        ("A", true),
        ("C", false),
        ("C OR A", true),
        ("C/A", true),
        ("A AND C", false),
        ("C AND A OR B", true),
        ("B OR A AND C", true),
        ("(A OR C) AND B", true),
        ("(A OR C) AND C", false),
        ("A WITH exception", false),
    ] {
        assert_eq!(is_allowed(expression, &|name| ["A", "B"].contains(&name)), wanted, "{expression}");
    }
    let allowed = list("allow");
    let packages = packages();
    let unlicensed = |known: &[String]| -> Vec<String> {
        let known = |name: &str| known.iter().any(|one| one == name);
        let fits = |package: &Value| package["license"].as_str().is_some_and(|text| is_allowed(text, &known));
        packages
            .iter()
            .filter(|package| !fits(package))
            .map(|p| format!("{}: {}", p["name"], p["license"]))
            .collect()
    };
    assert_eq!(unlicensed(&allowed), Vec::<String>::new(), "licences that deny.toml does not allow");
    for (i, licence) in allowed.iter().enumerate() {
        let others = [&allowed[..i], &allowed[i + 1..]].concat();
        assert!(!unlicensed(&others).is_empty(), "{licence} is in deny.toml, and nothing needs it");
    }
}

#[test]
fn dependencies_come_from_crates_io_in_versions_that_are_named() {
    let [registry] = &list("allow-registry")[..] else { panic!("deny.toml allows one registry") };
    for package in packages() {
        let source = package["source"].as_str();
        assert!(source.is_none_or(|source| source == format!("registry+{registry}")), "{}", package["id"]);
        if source.is_none() {
            let wild = package["dependencies"].as_array().unwrap().iter().find(|dependency| {
                dependency["req"] == "*"
                    && !(dependency["path"].is_string() && package["publish"] == serde_json::json!([]))
            });
            assert!(wild.is_none(), "{}: {}", package["name"], wild.unwrap()["name"]);
        }
    }
}

/// Packages with the features that they are built with, when this is asked for.
fn features(args: &[&str]) -> BTreeSet<String> {
    let tree = cargo(&[&["tree", "--prefix", "none", "--no-dedupe", "-f", "{p} [{f}]"], args].concat());
    tree.lines().map(|line| line.replace(" (*)", "").replace(" (proc-macro)", "")).collect()
}

#[test]
fn the_program_and_the_python_package_share_what_is_compiled_for_tests() {
    let tests = features(&["--workspace", "-e", "normal,build,dev"]);
    for (what, args) in [
        ("the program, as ecf8_tests::cli builds it", ["--workspace", "-e", "normal,build"]),
        ("the Python package", ["--package=ecf8-python", "-e", "normal,build"]),
    ] {
        let own = features(&args);
        let differs: Vec<&String> = own.difference(&tests).collect();
        assert!(differs.is_empty(), "{what} needs these built again, and all that uses them: {differs:?}");
    }
}
