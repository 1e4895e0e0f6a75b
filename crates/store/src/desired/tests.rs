use super::*;

fn error(text: &str) -> DesiredError {
    Desired::from_toml(text).unwrap_err()
}

#[test]
fn an_error_names_line_and_key() {
    let wrong = error("[settings]\nrealm = \"x\"\ncolour = \"red\"\n");
    assert_eq!(wrong.line, 3);
    assert!(wrong.reason.contains("colour"), "{wrong}");
    let wrong = error("[[device]]\nuser = \"anna\"\ndirect_media = \"yes\"\n");
    assert_eq!(wrong.line, 3);
    assert!(wrong.reason.contains("direct_media"), "{wrong}");
    assert!(wrong.reason.contains("boolean"), "{wrong}");
    let wrong = error("[[device]]\nuser = \"anna\"\nnumbers = [\"030\"]\n");
    assert_eq!(wrong.line, 3);
    assert!(wrong.reason.contains('+'), "{wrong}");
    let wrong = error("[[device]]\nname = \"Kitchen\"\n");
    assert!(wrong.reason.contains("user"), "{wrong}");
    assert_eq!(error("[[device]\n").line, 1);
    assert_eq!(error("a = 1\nb = = 2\n").line, 2);
    let wrong = error("[[device]]\nuser = \"anna\"\nha1 = { realm = \"x\", md5 = \"00\" }\n");
    assert_eq!(wrong.line, 3);
}

#[test]
fn an_error_shows_no_secret() {
    for text in [
        "[[device]]\nuser = \"anna\"\npasword = \"tr0ub4dor\"\n",
        "[[device]]\nuser = \"anna\"\npassword = [\"tr0ub4dor\"]\n",
        "[[device]]\nuser = \"anna\"\nha1 = \"tr0ub4dor\"\n",
        "[[device]]\nuser = \"anna\"\ndirect_media = \"tr0ub4dor\"\n",
        "[[device]]\nuser = \"anna\"\npassword = \"tr0ub4dor\n",
        "[[device]]\nuser = \"anna\"\npassword = tr0ub4dor\n",
        "[[device]]\nuser = \"anna\"\npassword = \"tr0ub4dor\" x\n",
        "[[device]]\nuser = \"a\"\nha1 = { realm = \"x\", md5 = \"tr0ub4dor\" }\n",
    ] {
        let shown = error(text).to_string();
        assert!(!shown.contains("tr0ub4dor"), "{shown}");
    }
    let number = error("[[device]]\nuser = \"anna\"\npassword = 31415926\n").to_string();
    assert!(!number.contains("31415926"), "{number}");
}

#[test]
fn a_file_of_one_byte_more_than_the_limit_is_refused() {
    let mut text = "\n".repeat(MAX_DESIRED_BYTES);
    text.push('\n');
    assert!(error(&text).reason.contains("larger"));
}

#[test]
fn neither_password_nor_hashes_are_shown_by_debug_and_passwords_are_never_written() {
    let text = "[[device]]\nuser = \"anna\"\npassword = \"tr0ub4dor\"\n";
    let desired = Desired::from_toml(text).unwrap();
    assert!(!format!("{desired:?}").contains("tr0ub4dor"));
    assert!(!desired.to_toml().unwrap().contains("tr0ub4dor"));
}
