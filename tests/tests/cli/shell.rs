//! What shells and `man` are given: completions that complete, a page for every command.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use ecf8_tests::cli::Scratch;
use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

/// Whether a program that a test needs is here; if not, that it is skipped is said.
fn is_here(program: &str) -> bool {
    let found = Command::new(program).arg("--version").stdin(Stdio::null()).output().is_ok();
    if !found {
        eprintln!("skipped: {program} is not installed");
    }
    found
}

/// What bash offers for the last of these words.
fn bash_offers(scratch: &Scratch, words: &[&str]) -> BTreeSet<String> {
    let script = r#"
        source completions
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
        command=$(complete -p ecf8 | sed 's/.*-F \([^ ]*\).*/\1/')
        before=$(($# - 1))
        "$command" ecf8 "${!#}" "${!before}"
        printf '%s\n' "${COMPREPLY[@]}""#;
    let output = Command::new("bash")
        .args(["--norc", "--noprofile", "-c", script, "bash"])
        .args(words)
        .current_dir(scratch.path("."))
        .output()
        .unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_options_and_their_values() {
    if !is_here("bash") {
        return;
    }
    let scratch = Scratch::new();
    scratch.write("completions", scratch.ecf8("completions bash").answer());
    let offers = |words: &[&str]| bash_offers(&scratch, words);
    let has = |found: BTreeSet<String>, wanted: &[&str]| {
        assert!(wanted.iter().all(|word| found.contains(*word)), "{wanted:?} in {found:?}");
    };
    assert_eq!(offers(&["ecf8", "comp"]), ["completions", "compress"].map(str::to_owned).into());
    has(offers(&["ecf8", ""]), &["compress", "decompress", "doctor", "kernel", "man", "verify"]);
    has(offers(&["ecf8", "compress", "--"]), &["--scheme", "--optimize", "--dry-run", "--json"]);
    let schemes = ecf8_core::schemes().iter().map(|scheme| scheme.name());
    has(offers(&["ecf8", "compress", "--scheme", ""]), &schemes.collect::<Vec<_>>());
    let strategies = ecf8_codegen::strategy::strategies().iter().map(|strategy| strategy.name());
    has(offers(&["ecf8", "kernel", "emit", "--strategy", ""]), &strategies.collect::<Vec<_>>());
    has(offers(&["ecf8", "verify", "--device", ""]), &["cpu", "emulator"]);
    has(offers(&["ecf8", "kernel", "profile", "--gpu", "h2"]), &["h200"]);
    has(offers(&["ecf8", "completions", "f"]), &["fish"]);
}

#[test]
fn every_shell_reads_its_script() {
    let scratch = Scratch::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = scratch.ecf8(&format!("completions {shell}")).answer();
        assert!(script.contains("decompress") && script.contains("exponent-gap"), "{shell}");
        if ["bash", "zsh", "fish"].contains(&shell) && is_here(shell) {
            scratch.write("script", &script);
            let output = Command::new(shell).args(["-n", "script"]).current_dir(scratch.path(".")).output();
            assert!(output.as_ref().unwrap().status.success(), "{output:?}");
        }
    }
    scratch.ecf8("completions tcsh").refuses(2, &["tcsh", "bash", "fish"]);
}

/// Names of the commands that help lists, with those below them.
fn commands(scratch: &Scratch, above: &str) -> Vec<String> {
    let help = scratch.ecf8(&format!("{above} --help")).answer();
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed = listed.take_while(|line| !line.is_empty()).filter(|line| !line.starts_with("    "));
    let names = listed.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
    let below = names.flat_map(|name| {
        let own = format!("{above} {name}").trim().to_owned();
        let mut all = vec![own.clone()];
        all.extend(commands(scratch, &own));
        all
    });
    below.collect()
}

#[test]
fn every_command_has_a_page_that_renders_without_warnings() {
    let scratch = Scratch::new();
    let said = scratch.ecf8("man --output pages").answer();
    let commands = commands(&scratch, "");
    assert!(commands.len() > 15 && commands.contains(&"kernel emit".to_owned()), "{commands:?}");
    let names = commands.iter().map(|command| format!("pages/ecf8-{}.1", command.replace(' ', "-")));
    let names: Vec<String> = names.chain(["pages/ecf8.1".to_owned()]).collect();
    let contents = scratch.contents();
    assert_eq!(contents.len(), names.len() + 2, "{contents:?}");
    assert!(said.starts_with(&format!("{} manual pages", names.len())), "{said}");
    let can_render = is_here("groff");
    for name in &names {
        let page = String::from_utf8(scratch.read(name)).unwrap();
        for part in [".TH ecf8", ".SH NAME", ".SH SYNOPSIS", ".SH OPTIONS"] {
            assert!(page.contains(part), "{part} in {name}: {page}");
        }
        assert_eq!(scratch.path(name).metadata().unwrap().permissions().mode() & 0o777, 0o644);
        if can_render {
            let mut groff = Command::new("groff")
                // As `man` calls it, for characters that are not ASCII.
                .args(["-K", "utf8", "-man", "-ww", "-Tutf8"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            groff.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
            let output = groff.wait_with_output().unwrap();
            assert!(output.status.success() && output.stderr.is_empty(), "{name}: {output:?}");
            assert!(output.stdout.len() > 500, "{name}: {output:?}");
        }
    }
    let page = scratch.ecf8("man kernel emit").answer();
    assert_eq!(page.as_bytes(), scratch.read("pages/ecf8-kernel-emit.1"));
    // Examples keep their lines.
    let compress = scratch.ecf8("man compress").answer();
    assert!(compress.contains("\necf8 compress Qwen3\\-8B\\-FP8/ \\-\\-dry\\-run\n"), "{compress}");
}

#[test]
fn pages_that_are_there_are_replaced_only_if_that_is_asked_for() {
    let scratch = Scratch::new();
    scratch.write("pages/ecf8-verify.1", "mine");
    scratch.refuses("man --output pages", 2, &["ecf8-verify.1", "--force"]);
    let _ = scratch.ecf8("man --output pages --force").answer();
    assert!(scratch.read("pages/ecf8-verify.1").starts_with(b".ie"));
    scratch.write("file", "");
    scratch.refuses("man --output file/pages", 2, &["file/pages", "choose another folder"]);
    scratch.ecf8("man compres").refuses(2, &["compres", "compress", "doctor"]);
}
