//! G.711 against the vectors of ITU-T G.191: every linear value and every octet, bit for bit.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

use fernamt_codec::g711::Law;

fn words(name: &str) -> Vec<i16> {
    let path = format!("{}/tests/g711/{name}", env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(path).unwrap();
    bytes
        .chunks_exact(2)
        .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
        .collect()
}

fn octets(name: &str) -> Vec<u8> {
    words(name)
        .into_iter()
        .map(|word| u8::try_from(word).unwrap())
        .collect()
}

/// Names the first difference only: a sweep is too long to print.
fn same<T: PartialEq + std::fmt::Debug>(result: &[T], expected: &[T]) {
    assert_eq!(result.len(), expected.len());
    let first = result
        .iter()
        .zip(expected)
        .position(|(left, right)| left != right);
    let at = |values: &[T]| first.map(|index| format!("{index}: {:?}", values[index]));
    assert_eq!(at(result), at(expected), "the first difference");
}

fn check(law: Law, encoded: &str, decoded: &str) {
    let linear = words("sweep.src");
    assert_eq!(
        linear.len(),
        65_536,
        "the sweep has every linear value once"
    );
    let expected = octets(encoded);
    let mut result = vec![0; linear.len()];
    assert_eq!(law.encode(&linear, &mut result), linear.len());
    same(&result, &expected);
    let mut back = vec![0; linear.len()];
    assert_eq!(law.decode(&expected, &mut back), linear.len());
    same(&back, &words(decoded));
}

#[test]
fn a_law_is_bit_exact_with_the_itu_vectors() {
    check(Law::A, "sweep-r.a", "sweep-r.a-a");
}

#[test]
fn mu_law_is_bit_exact_with_the_itu_vectors() {
    check(Law::Mu, "sweep-r.u", "sweep-r.u-u");
}

/// The numbers of the values, of either sign, that a conversion there and back changes.
fn changed(law: Law, other: Law, number_of: impl Fn(u8) -> u8) -> Vec<u8> {
    let mut numbers: Vec<u8> = (0..=255u8)
        .filter(|&octet| {
            let back = other.to_other(law.to_other(octet));
            assert!(back ^ octet <= 1, "only the last bit may change");
            back != octet
        })
        .map(number_of)
        .collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn conversion_there_and_back_changes_the_values_that_note_2_of_section_3_6_names() {
    let both_signs = |numbers: &[u8]| numbers.iter().flat_map(|&n| [n, n]).collect::<Vec<_>>();
    let a_number = |octet: u8| ((octet ^ 0x55) & 0x7f) + 1;
    let changed_a = changed(Law::A, Law::Mu, a_number);
    assert_eq!(changed_a, both_signs(&[26, 28, 30, 32, 45, 47, 63, 80]));
    let mu_number = |octet: u8| !octet & 0x7f;
    let changed_mu = changed(Law::Mu, Law::A, mu_number);
    assert_eq!(changed_mu, both_signs(&[0, 2, 4, 6, 8, 10, 12, 14]));
}

#[test]
fn conversion_keeps_the_sign_and_stays_within_a_step_of_the_sound() {
    for law in [Law::A, Law::Mu] {
        let other = if law == Law::A { Law::Mu } else { Law::A };
        for octet in 0..=255u8 {
            let before = i32::from(law.decode_sample(octet));
            let after = i32::from(other.decode_sample(law.to_other(octet)));
            assert!(before.signum() * after.signum() >= 0, "{octet} of {law:?}");
            assert!(
                (before - after).abs() <= before.abs() / 16 + 16,
                "{before} became {after}"
            );
        }
    }
}

#[test]
fn conversion_of_octets_in_place_is_that_of_each() {
    let mut octets: Vec<u8> = (0..=255).collect();
    Law::Mu.transcode(&mut octets);
    assert!(
        (0..=255u8)
            .zip(&octets)
            .all(|(before, after)| Law::Mu.to_other(before) == *after)
    );
}

#[test]
fn silence_decodes_to_the_smallest_sound_and_converts_to_silence() {
    assert_eq!(Law::A.decode_sample(Law::A.silence()), 8);
    assert_eq!(Law::Mu.decode_sample(Law::Mu.silence()), 0);
    assert_eq!(Law::Mu.to_other(Law::Mu.silence()), Law::A.silence());
}

#[test]
fn a_buffer_that_is_too_short_takes_what_fits() {
    let mut octets = [9; 3];
    assert_eq!(Law::A.encode(&[0; 5], &mut octets), 3);
    let mut samples = [9; 5];
    assert_eq!(Law::A.decode(&octets[..2], &mut samples), 2);
    assert_eq!(samples, [8, 8, 9, 9, 9]);
}

#[test]
fn payload_types_and_names_are_those_of_rfc_3551() {
    for law in [Law::A, Law::Mu] {
        assert_eq!(Law::from_payload_type(law.payload_type()), Some(law));
    }
    assert_eq!(
        Law::from_payload_type(0).map(Law::encoding_name),
        Some("PCMU")
    );
    assert_eq!(Law::from_payload_type(3), None);
}
