//! Devices and records from the command line, without an exchange.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests may"
)]

mod support;

use serde_json::json;
use support::{Office, fernamt};

#[test]
fn a_device_is_added_with_a_password_that_is_told_once() {
    let office = Office::new();
    let added = office
        .run("device add anna --name Kitchen --number +493012345")
        .ends_with(0);
    assert!(
        added.out.starts_with("added device anna, password "),
        "{added:?}"
    );
    let password = added
        .out
        .split_whitespace()
        .last()
        .expect("a password")
        .to_owned();
    assert!(password.len() >= 16, "{password}");
    office
        .run("device add 10 --password secret --direct-media")
        .ends_with(0);
    let list = office.run("device list").ends_with(0);
    assert_eq!(
        list.out,
        "USER  NAME     NUMBERS     DIRECT MEDIA  ENCRYPTION\n\
         10    -        -           yes           automatic\n\
         anna  Kitchen  +493012345  no            automatic\n"
    );
    let export = office.run("export").ends_with(0);
    assert!(
        !export.out.contains(&password) && !export.out.contains("secret"),
        "{export:?}"
    );
}

#[test]
fn listings_are_one_json_array_and_a_device_is_an_object() {
    let office = Office::new();
    office
        .run("device add anna --password x1 --number +493012345")
        .ends_with(0);
    let list = office.run("device list --json").ends_with(0).json();
    assert_eq!(list[0]["user"], "anna");
    assert_eq!(list[0]["numbers"], json!(["+493012345"]));
    assert_eq!(list[0]["direct_media"], false);
    let device = office.run("device show anna --json").ends_with(0).json();
    assert_eq!(device["user"], "anna");
    assert_eq!(device["registrations"], json!([]));
    assert!(!device.to_string().contains("ha1"));
    for line in ["registrations --json", "cdr --json"] {
        assert_eq!(office.run(line).ends_with(0).json(), json!([]), "{line}");
    }
    let added = office.run("device add bert --json").ends_with(0).json();
    assert!(
        added["password"]
            .as_str()
            .is_some_and(|password| password.len() >= 16)
    );
}

#[test]
fn a_password_can_come_on_standard_input_so_that_no_one_sees_it() {
    let office = Office::new();
    let added = office
        .run_with("device add anna --password -", "from a pipe\n")
        .ends_with(0);
    assert_eq!(added.out, "added device anna\n");
    office
        .run_with("device add bert --password -", "")
        .ends_with(1)
        .complains("none came");
}

#[test]
fn what_is_taken_missing_or_wrong_has_its_own_exit_code() {
    let office = Office::new();
    office
        .run("device add anna --number +493012345")
        .ends_with(0);
    office
        .run("device add anna")
        .ends_with(5)
        .complains("already a device \"anna\"");
    office
        .run("device add bert --number +493012345")
        .ends_with(5)
        .complains("anna");
    office
        .run("device add bert --number 030")
        .ends_with(6)
        .complains("`030` is no telephone");
    office
        .run("device show bert")
        .ends_with(3)
        .complains("no device \"bert\"");
    office
        .run("device remove bert")
        .ends_with(3)
        .complains("device list");
    office
        .run("device remove anna")
        .ends_with(0)
        .says("removed device anna");
    office
        .run("device list")
        .ends_with(0)
        .says("No devices yet");
}

#[test]
fn a_data_folder_that_is_not_there_is_not_made_by_a_question() {
    let office = Office::new();
    for line in [
        "device list",
        "cdr",
        "export",
        "registrations",
        "explain x",
        "route a b",
    ] {
        office.run(line).ends_with(3).complains("no data folder");
    }
    assert!(!office.data().exists());
}

#[test]
fn commands_that_need_the_exchange_say_that_it_does_not_run() {
    let office = Office::new();
    office.run("device add anna").ends_with(0);
    for line in ["calls", "calls --json", "status", "status --json"] {
        office.run(line).ends_with(4).complains("fernamt serve");
    }
}

#[test]
fn a_list_is_imported_as_a_whole() {
    let office = Office::new();
    let file = office.file(
        "list.csv",
        "user,password,name,number\nanna,p1,\"Kitchen, ground floor\",+493012345\nbert,p2,,\n",
    );
    office
        .run(&format!("device import {}", file.display()))
        .ends_with(0)
        .says("added 2 devices");
    let list = office.run("device list --json").ends_with(0).json();
    assert_eq!(list[0]["name"], "Kitchen, ground floor");
    assert_eq!(list[1]["user"], "bert");
}

#[test]
fn one_bad_line_keeps_the_whole_list_out_and_is_named() {
    let office = Office::new();
    office.run("device add bert --password x").ends_with(0);
    for (name, text, line) in [
        ("columns.csv", "user,password\nanna,p1\ncarl\n", "line 3"),
        (
            "number.csv",
            "user,password,number\nanna,p1,+493012345\ncarl,p2,12x\n",
            "line 3",
        ),
        ("taken.csv", "user,password\nanna,p1\nbert,p2\n", "line 3"),
        ("header.csv", "name,password\nanna,p1\n", "line 1"),
        ("empty.csv", "", "line 1"),
    ] {
        let file = office.file(name, text);
        let said = office.run(&format!("device import {}", file.display()));
        let said = said.ends_with(6).complains(line);
        assert!(said.err.contains(name), "{said:?}");
        let devices = office.run("device list --json").json();
        assert_eq!(devices.as_array().map(Vec::len), Some(1), "{name}");
    }
    office
        .run("device import missing.csv")
        .ends_with(1)
        .complains("cannot read missing.csv");
}

#[test]
fn what_is_exported_is_applied_again_without_a_change() {
    let office = Office::new();
    office
        .run("device add anna --password x --name Kitchen --number +493012345")
        .ends_with(0);
    office.run("device add bert --password y").ends_with(0);
    let text = office.run("export").ends_with(0).out;
    let file = office.file("office.toml", &text);
    let apply = format!("apply {}", file.display());
    office.run(&apply).ends_with(0).says("nothing to change");

    let other = Office::new();
    let said = other.run(&format!("{apply} --dry-run")).ends_with(0);
    assert!(said.out.contains("2 changes would be made"), "{said:?}");
    assert_eq!(other.run("device list --json").json(), json!([]));
    let changes = other.run(&format!("{apply} --json")).ends_with(0).json();
    assert_eq!(changes[0]["change"], "add");
    assert_eq!(other.run("export").out, text);
}

#[test]
fn apply_removes_what_the_file_does_not_name_and_changes_what_it_names_otherwise() {
    let office = Office::new();
    office
        .run("device add anna --password x --name Kitchen")
        .ends_with(0);
    office.run("device add bert --password y").ends_with(0);
    let text = office.run("export").out.replace("Kitchen", "Hall");
    let anna = text
        .split("[[device]]")
        .find(|part| part.contains("anna"))
        .expect("anna");
    let file = office.file("office.toml", &format!("[[device]]{anna}"));
    let said = office
        .run(&format!("apply {}", file.display()))
        .ends_with(0);
    assert!(said.out.contains("remove device \"bert\""), "{said:?}");
    assert!(said.out.contains("Hall"), "{said:?}");
    let list = office.run("device list --json").json();
    assert_eq!(
        (list.as_array().map(Vec::len), &list[0]["name"]),
        (Some(1), &json!("Hall"))
    );
}

#[test]
fn a_wrong_file_changes_nothing_and_its_line_is_named() {
    let office = Office::new();
    let file = office.file(
        "office.toml",
        "[[device]]\nuser = \"anna\"\npasswort = \"secret\"\n",
    );
    let said = office
        .run(&format!("apply {}", file.display()))
        .ends_with(6);
    let said = said
        .complains("office.toml")
        .complains("line 3")
        .complains("passwort");
    assert!(!said.err.contains("secret"), "{said:?}");
    office
        .run("apply missing.toml")
        .ends_with(1)
        .complains("cannot read");
}

#[test]
fn a_route_is_told_without_an_exchange() {
    let office = Office::new();
    office.run("device add anna --password x").ends_with(0);
    office
        .run("device add bert --password y --number +493012345")
        .ends_with(0);
    let said = office.run("route anna bert").ends_with(0);
    assert!(
        said.out.contains("bert, which is not registered"),
        "{said:?}"
    );
    let json = office
        .run("route anna +493012345 --json")
        .ends_with(0)
        .json();
    assert_eq!(
        (&json["route"]["to"], &json["route"]["user"]),
        (&json!("offline"), &json!("bert"))
    );
    assert!(
        json["reasons"]
            .as_array()
            .is_some_and(|reasons| reasons.len() >= 2)
    );
    let json = office.run("route anna *43 --json").ends_with(0).json();
    assert_eq!(json["route"]["to"], "echo");
    let json = office.run("route anna 999 --json").ends_with(0).json();
    assert_eq!(json["route"]["to"], "unknown");
    office
        .run("route nobody bert")
        .ends_with(3)
        .complains("no device nobody");
}

#[test]
fn help_is_a_manual_and_completions_are_scripts() {
    let help = fernamt(&["--help"]).ends_with(0);
    for part in [
        "EXIT CODES",
        "FILES",
        "ENVIRONMENT",
        "FIRST STEPS",
        "device",
        "explain",
    ] {
        assert!(help.out.contains(part), "{part}: {}", help.out);
    }
    for command in [
        "serve", "call", "cdr", "explain", "apply", "route", "status",
    ] {
        let help = fernamt(&[command, "--help"]).ends_with(0);
        assert!(help.out.contains("EX"), "{command}: {}", help.out);
        assert!(
            help.out.lines().all(|line| line.chars().count() <= 120),
            "{command}"
        );
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = fernamt(&["completions", shell]).ends_with(0);
        assert!(script.out.contains("registrations"), "{shell}");
    }
    for words in [
        &["manual"][..],
        &["manual", "call"],
        &["manual", "device", "add"],
    ] {
        let page = fernamt(words).ends_with(0);
        assert!(
            page.out.contains(".TH") && page.out.contains("EX"),
            "{words:?}"
        );
    }
    fernamt(&["manual", "nothing"]).ends_with(3);
    fernamt(&["device", "add"]).ends_with(2);
    fernamt(&["frobnicate"]).ends_with(2);
    fernamt(&["--version"]).ends_with(0).says("fernamt 0.");
}

#[test]
fn a_credential_of_the_relay_needs_a_running_exchange() {
    let office = Office::new();
    office.run("device add anna").ends_with(0);
    office.run("turn anna").ends_with(4);
    office.run("turn anna --hours 721").ends_with(2);
}
