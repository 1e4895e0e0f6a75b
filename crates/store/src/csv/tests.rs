use proptest::prelude::*;

use super::*;

fn error(text: &str) -> (u64, String) {
    let error = parse(text.as_bytes()).unwrap_err();
    (error.line, error.reason.into())
}

fn users(text: &str) -> Vec<String> {
    parse(text.as_bytes())
        .unwrap()
        .into_iter()
        .map(|row| row.device.user.into())
        .collect()
}

#[test]
fn columns_come_in_any_order_and_optional_ones_may_be_missing() {
    let rows = parse(b"Number,password, user ,name\n+4930123 +4930124,pw,anna,Kitchen\n,x,bob,\n");
    let rows = rows.unwrap();
    let [anna, bob] = &rows[..] else {
        panic!("{rows:?}")
    };
    assert_eq!(anna.line, 2);
    assert_eq!(&*anna.device.user, "anna");
    assert_eq!(anna.device.name.as_deref(), Some("Kitchen"));
    assert_eq!(anna.device.secret, Secret::Password("pw".into()));
    let numbers: Vec<_> = anna
        .device
        .numbers
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(numbers, ["+4930123", "+4930124"]);
    assert_eq!(bob.device.name, None);
    assert_eq!(users("user,password\nanna,pw"), ["anna"]);
}

#[test]
fn quotes_byte_order_mark_and_carriage_returns_are_understood() {
    let text = "\u{feff}user,password,name\r\n\"a,n\"\"na\",\"p\"\"w\",\"Zoë\"\r\n\r\nbob,pw,\r\n";
    let rows = parse(text.as_bytes()).unwrap();
    assert_eq!(&*rows[0].device.user, "a,n\"na");
    assert_eq!(rows[0].device.secret, Secret::Password("p\"w".into()));
    assert_eq!(rows[0].device.name.as_deref(), Some("Zoë"));
    assert_eq!((rows[1].line, &*rows[1].device.user), (4, "bob"));
}

#[test]
fn an_error_names_the_line_on_which_the_row_begins() {
    assert_eq!(error("user,password\na,b\nc\n").0, 3);
    assert_eq!(error("user,password\n\"a\nb\nc\",pw\nd,\n").0, 5);
    assert_eq!(error("user,password\na,b\n\"c,d\ne,f\n").0, 3);
    assert_eq!(error("user,password,number\na,b,+49301\na,b,030123\n").0, 3);
}

#[test]
fn an_error_says_what_is_wrong() {
    assert!(error("").1.contains("header line is missing"));
    assert!(error("anna,secret\n").1.contains("header line is missing"));
    assert!(!error("anna,secret\n").1.contains("secret"));
    assert!(error("user;password\n").1.contains("commas"));
    assert!(error("user,password,colour\n").1.contains("\"colour\""));
    assert!(error("user,name\n").1.contains("password"));
    assert!(error("user,user,password\n").1.contains("twice"));
    assert!(
        error("user,password\nanna,\n")
            .1
            .contains("password is empty")
    );
    assert!(error("user,password\na\"b,pw\n").1.contains("quote"));
    assert!(
        error("user,password\n\"a\"b,pw\n")
            .1
            .contains("closing quote")
    );
    assert!(
        error("user,password,number\na,pw,12\n")
            .1
            .contains("number")
    );
    let latin1 = parse(b"user,password\nanna,pw\nZo\xeb,pw\n").unwrap_err();
    assert_eq!((latin1.line, latin1.reason.contains("UTF-8")), (3, true));
}

#[test]
fn a_record_with_one_field_more_than_the_limit_is_refused() {
    let wide = |fields: usize| format!("user,password\n{}\n", vec!["x"; fields].join(","));
    assert!(error(&wide(64)).1.contains("64 fields, but"));
    assert!(error(&wide(65)).1.contains("more than 64"));
}

#[test]
fn a_list_of_one_byte_more_than_the_limit_is_refused() {
    let mut text = b"user,password\na,b\n".to_vec();
    text.resize(MAX_CSV_BYTES, b'\n');
    assert_eq!(parse(&text).unwrap().len(), 1);
    text.push(b'\n');
    assert!(parse(&text).unwrap_err().reason.contains("larger"));
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
        let _ = parse(&[b"user,password,name,number\n", &bytes[..]].concat());
    }

    #[test]
    fn whatever_is_quoted_comes_back(user in "[^\u{0}]{1,20}", password in "[^\u{0}]{1,20}") {
        let quote = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let text = format!("password,user\n{},{}\n", quote(&password), quote(&user));
        let rows = parse(text.as_bytes()).unwrap();
        prop_assert_eq!(&*rows[0].device.user, user);
        prop_assert_eq!(&rows[0].device.secret, &Secret::Password(password.into()));
    }
}
