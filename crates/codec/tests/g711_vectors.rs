//! G.711 against the vectors of ITU-T G.191: every linear value and every octet, bit for bit.

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
    assert_eq!(result, expected);
    let mut back = vec![0; linear.len()];
    assert_eq!(law.decode(&expected, &mut back), linear.len());
    assert_eq!(back, words(decoded));
}

#[test]
fn a_law_is_bit_exact_with_the_itu_vectors() {
    check(Law::A, "sweep-r.a", "sweep-r.a-a");
}

#[test]
fn mu_law_is_bit_exact_with_the_itu_vectors() {
    check(Law::Mu, "sweep-r.u", "sweep-r.u-u");
}
