//! Numbers as people write them, and as they are kept.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

use fernamt_numbering::{
    DialError, DialString, E164, MAX_DIAL_CHARACTERS, MAX_TYPED_CHARACTERS, NumberError, Plan,
    PlanError, ReadError,
};
use proptest::prelude::*;

fn number(text: &str) -> E164 {
    E164::parse(text).unwrap()
}

fn berlin() -> Plan {
    Plan::new("49", "00", "0")
        .unwrap()
        .with_area_code("30")
        .unwrap()
}

#[test]
fn the_strict_form_is_plus_and_digits_only() {
    assert_eq!(number("+493012345").to_string(), "+493012345");
    assert_eq!(number("+123456789012345").digits().len(), 15);
    assert_eq!("+4930".parse(), Ok(number("+4930")));
    let cases = [
        ("493012345", NumberError::NoPlus),
        ("", NumberError::NoPlus),
        ("+", NumberError::TooShort(0)),
        ("+493", NumberError::TooShort(3)),
        ("+1234567890123456", NumberError::TooLong),
        ("+0493012345", NumberError::LeadingZero),
        ("+49 3012345", NumberError::NotADigit(' ')),
        ("+49301234x", NumberError::NotADigit('x')),
        ("+٤٩٣٠١٢٣", NumberError::NotADigit('٤')),
        ("++4930123", NumberError::NotADigit('+')),
    ];
    for (text, expected) in cases {
        assert_eq!(E164::parse(text), Err(expected), "{text}");
    }
}

#[test]
fn a_value_has_as_many_digits_as_a_number_may_have() {
    let is_number = |value| E164::from_u64(value).is_some();
    assert!(!is_number(999) && is_number(1_000));
    assert!(is_number(999_999_999_999_999) && !is_number(1_000_000_000_000_000));
}

#[test]
fn a_number_is_written_in_every_form() {
    let berlin = number("+493012345");
    assert_eq!(berlin.tel_uri().to_string(), "tel:+493012345");
    assert_eq!(&*berlin.digits(), "493012345");
    assert_eq!(berlin.as_u64(), 493_012_345);
    assert_eq!(
        format!("{berlin:>12}|{berlin:?}"),
        "  +493012345|E164(+493012345)"
    );
    assert!(berlin.starts_with("4930") && !berlin.starts_with("+49"));
}

/// Shows what serde makes of a number.
struct Serialized(E164);

impl std::fmt::Display for Serialized {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        serde::Serialize::serialize(&self.0, formatter)
    }
}

#[test]
fn serde_writes_the_canonical_form() {
    assert_eq!(Serialized(number("+493012345")).to_string(), "+493012345");
}

#[test]
fn serde_reads_text_and_refuses_what_is_no_number() {
    use serde::Deserialize;
    use serde::de::IntoDeserializer;
    use serde::de::value::{Error, StrDeserializer};
    let text = |text: &'static str| -> StrDeserializer<'static, Error> { text.into_deserializer() };
    assert_eq!(
        E164::deserialize(text("+493012345")),
        Ok(number("+493012345"))
    );
    let error = E164::deserialize(text("030")).unwrap_err();
    assert!(error.to_string().contains("the + is missing"), "{error}");
    assert!(DialString::deserialize(text("12 34")).is_err());
}

#[test]
fn the_country_code_is_found_by_its_first_digits() {
    let cases = [
        ("+12125550100", 1, "2125550100"),
        ("+79161234567", 7, "9161234567"),
        ("+493012345", 49, "3012345"),
        ("+390612345", 39, "0612345"),
        ("+420212345678", 420, "212345678"),
        ("+35312345678", 353, "12345678"),
        ("+38612345678", 386, "12345678"),
        ("+21021234567", 210, "21234567"),
        ("+88312345678", 883, "12345678"),
        ("+991123456", 991, "123456"),
        ("+9812345678", 98, "12345678"),
        ("+67012345", 670, "12345"),
    ];
    for (text, code, national) in cases {
        assert_eq!(number(text).country_code(), code);
        assert_eq!(&*number(text).national(), national);
    }
}

#[test]
fn the_user_part_of_a_sip_uri_is_read_with_separators_and_parameters() {
    let read = E164::from_sip_user;
    assert_eq!(read("+493012345"), Ok(number("+493012345")));
    assert_eq!(
        read("+49-30-(123).45;phone-context=x"),
        Ok(number("+493012345"))
    );
    assert_eq!(read("3012345"), Err(NumberError::NoPlus));
    assert_eq!(read("+49 30"), Err(NumberError::NotADigit(' ')));
    assert_eq!(read("+1234567890123456"), Err(NumberError::TooLong));
    assert_eq!(read("+"), Err(NumberError::TooShort(0)));
}

#[test]
fn what_people_in_germany_type_is_understood() {
    let plan = berlin();
    let expected = number("+493012345");
    for typed in [
        "+493012345",
        "+49 30 123-45",
        "+49 (0)30 12345",
        "+49 (0) 30 / 12345",
        "0049 30 12345",
        "030/12345",
        "(030) 123 45",
        "12345",
        " 030.123.45 ",
        "030\u{a0}123\u{2013}45",
    ] {
        assert_eq!(plan.read(typed), Ok(expected), "{typed}");
    }
    assert_eq!(plan.read("0891234567"), Ok(number("+49891234567")));
    assert_eq!(plan.read("001 212 555-0100"), Ok(number("+12125550100")));
}

#[test]
fn what_cannot_be_understood_is_said() {
    let plan = berlin();
    assert_eq!(plan.read(""), Err(ReadError::Empty));
    assert_eq!(plan.read(" - "), Err(ReadError::Empty));
    assert_eq!(plan.read("+"), Err(ReadError::Empty));
    assert_eq!(plan.read("030-CALL"), Err(ReadError::Character('C')));
    assert_eq!(plan.read("12+34"), Err(ReadError::Character('+')));
    assert_eq!(
        plan.read("+0301234"),
        Err(ReadError::Number(NumberError::LeadingZero))
    );
    assert_eq!(
        plan.read("00"),
        Err(ReadError::Number(NumberError::TooShort(0)))
    );
    assert_eq!(
        plan.read("0123456789012345"),
        Err(ReadError::Number(NumberError::TooLong))
    );
    let longest = format!("030{}", " ".repeat(MAX_TYPED_CHARACTERS - 3 - 3) + "123");
    assert_eq!(plan.read(&longest), Ok(number("+4930123")));
    assert_eq!(plan.read(&format!("{longest} ")), Err(ReadError::TooLong));
    let without_area = Plan::new("49", "00", "0").unwrap();
    assert_eq!(without_area.read("12345"), Err(ReadError::NeedsAreaCode));
}

#[test]
fn other_countries_have_other_plans() {
    let spain = Plan::new("34", "00", "").unwrap();
    assert_eq!(spain.read("912 345 678"), Ok(number("+34912345678")));
    let america = Plan::new("1", "011", "1")
        .unwrap()
        .with_area_code("212")
        .unwrap();
    assert_eq!(america.read("555-0100"), Ok(number("+12125550100")));
    assert_eq!(america.read("1 (415) 555-0100"), Ok(number("+14155550100")));
    assert_eq!(america.read("011 49 30 12345"), Ok(number("+493012345")));
    assert_eq!(america.dial(number("+14155550100")), "14155550100");
    assert_eq!(america.dial(number("+493012345")), "011493012345");
}

#[test]
fn a_plan_is_digits_within_limits() {
    let plan = |country, international, trunk| Plan::new(country, international, trunk).map(|_| ());
    for country in ["", "0", "049", "1234", "+49", "4x"] {
        assert_eq!(
            plan(country, "00", "0"),
            Err(PlanError::CountryCode),
            "{country}"
        );
    }
    assert_eq!(plan("420", "00", ""), Ok(()));
    assert_eq!(plan("49", "", "0"), Err(PlanError::NoInternationalPrefix));
    assert_eq!(plan("49", "00", "12345678"), Ok(()));
    assert_eq!(
        plan("49", "00", "123456789"),
        Err(PlanError::Prefix("the trunk prefix"))
    );
    assert_eq!(
        plan("49", "0 0", "0"),
        Err(PlanError::Prefix("the international prefix"))
    );
    let error = berlin().with_area_code("3a").unwrap_err();
    assert_eq!(error.to_string(), "the area code is at most 8 digits");
}

#[test]
fn dialled_keys_are_numbers_codes_or_names() {
    let dial = |text: &str| DialString::parse(text).unwrap();
    assert!(dial("030123").is_number() && dial("+4930123").is_number());
    assert!(!dial("alice").is_number() && !dial("*21").is_number());
    assert!(dial("*21*030#").is_service_code() && dial("#").is_service_code());
    assert!(!dial("030").is_service_code() && !dial("a*").is_service_code());
    assert_eq!(dial("0800-REISE.zw").keys(), "08007347399");
    assert_eq!(dial("kitchen-1_a.b").to_string(), "kitchen-1_a.b");
    let plan = berlin();
    assert_eq!(plan.read_dialled(&dial("030123")), Some(number("+4930123")));
    assert_eq!(
        plan.read_dialled(&dial("+4930123")),
        Some(number("+4930123"))
    );
    for other in ["alice", "*21", "0-30", "00"] {
        assert_eq!(plan.read_dialled(&dial(other)), None, "{other}");
    }
}

#[test]
fn what_cannot_be_dialled_is_refused() {
    let refused = |text: &str| DialString::parse(text).unwrap_err();
    assert_eq!(refused(""), DialError::Empty);
    assert_eq!(refused("+"), DialError::Empty);
    assert_eq!(refused("a b"), DialError::Character(' '));
    assert_eq!(refused("a@b"), DialError::Character('@'));
    assert_eq!(refused("1+2"), DialError::Character('+'));
    assert_eq!(refused("1\r\n"), DialError::Character('\r'));
    assert!(DialString::parse(&"1".repeat(MAX_DIAL_CHARACTERS)).is_ok());
    assert_eq!(
        refused(&"1".repeat(MAX_DIAL_CHARACTERS + 1)),
        DialError::TooLong
    );
}

proptest! {
    #[test]
    fn a_number_is_read_as_it_was_written(value in 1_000u64..1_000_000_000_000_000) {
        let number = E164::from_u64(value).unwrap();
        prop_assert_eq!(number.as_u64(), value);
        prop_assert_eq!(E164::parse(&number.to_string()), Ok(number));
        prop_assert_eq!(E164::from_sip_user(&number.to_string()), Ok(number));
        prop_assert_eq!(number.digits().parse::<u64>(), Ok(value));
        let again = format!("{}{}", number.country_code(), number.national());
        prop_assert_eq!(&again, &*number.digits());
        let plan = berlin();
        let dialled = plan.dial(number);
        if number.country_code() != 49 {
            prop_assert_eq!(plan.read(&dialled), Ok(number), "{}", dialled);
        }
    }

    #[test]
    fn a_value_that_is_no_number_is_refused(value: u64) {
        let fits = (1_000..1_000_000_000_000_000).contains(&value);
        prop_assert_eq!(E164::from_u64(value).is_some(), fits);
    }

    #[test]
    fn no_text_makes_anything_panic(text in "\\PC{0,80}|[+0-9() /-]{0,80}") {
        let _ = (E164::parse(&text), E164::from_sip_user(&text), berlin().read(&text));
        if let Ok(dialled) = DialString::parse(&text) {
            let _ = (dialled.keys(), berlin().read_dialled(&dialled));
            prop_assert_eq!(dialled.as_str(), &text);
        }
    }
}
