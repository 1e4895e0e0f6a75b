//! The tables of G.711, worked out by the compiler from the definition of the laws; no run time.

#![allow(
    clippy::indexing_slicing,
    reason = "everything is evaluated by the compiler, where an index out of bounds is an error"
)]

use super::conversion::{A_NUMBER_OF_MU, MU_NUMBER_OF_A};

/// What inverting the even bits of an A-law octet does.
const A_EVEN_BITS: u8 = 0x55;

/// Added to a µ-law magnitude of 14 bits, so that every segment begins at a power of two.
const MU_BIAS: i32 = 33;

const fn a_of(sample: i16) -> u8 {
    // Twelve bits count; a negative value is its one's complement, so that zero has two signs.
    let value = (sample >> 4) as i32;
    let (sign, magnitude) = if value < 0 {
        (0x00, -value - 1)
    } else {
        (0x80, value)
    };
    let octet = if magnitude < 32 {
        magnitude
    } else {
        let exponent = 31 - (magnitude as u32).leading_zeros() as i32 - 3;
        (exponent << 4) + ((magnitude >> (exponent - 1)) & 0x0f)
    };
    (octet as u8 | sign) ^ A_EVEN_BITS
}

const fn linear_of_a(octet: u8) -> i16 {
    let plain = octet ^ A_EVEN_BITS;
    let exponent = ((plain & 0x70) >> 4) as i32;
    let mantissa = ((plain & 0x0f) as i32) << 4;
    // Decoded values lie in the middle of their interval.
    let magnitude = match exponent {
        0 => mantissa + 8,
        exponent => (mantissa + 0x108) << (exponent - 1),
    };
    (if plain & 0x80 != 0 {
        magnitude
    } else {
        -magnitude
    }) as i16
}

const fn mu_of(sample: i16) -> u8 {
    let value = (sample >> 2) as i32;
    let (sign, magnitude) = if value < 0 {
        (0x00, -value - 1)
    } else {
        (0x80, value)
    };
    let biased = if magnitude + MU_BIAS > 0x1fff {
        0x1fff
    } else {
        magnitude + MU_BIAS
    };
    let segment = 31 - (biased as u32).leading_zeros() as i32 - 5;
    let step = (biased >> (segment + 1)) & 0x0f;
    ((segment << 4 | step) as u8 ^ 0x7f) | sign
}

const fn linear_of_mu(octet: u8) -> i16 {
    let plain = !octet;
    let segment = ((plain & 0x70) >> 4) as i32;
    let step = (plain & 0x0f) as i32;
    let magnitude = ((((step << 1) + MU_BIAS) << segment) - MU_BIAS) << 2;
    (if plain & 0x80 == 0 {
        magnitude
    } else {
        -magnitude
    }) as i16
}

pub(super) static A_OF_LINEAR: [u8; 1 << 12] = {
    let mut table = [0; 1 << 12];
    let mut index = 0;
    while index < table.len() {
        table[index] = a_of((index << 4) as u16 as i16);
        index += 1;
    }
    table
};

pub(super) static MU_OF_LINEAR: [u8; 1 << 14] = {
    let mut table = [0; 1 << 14];
    let mut index = 0;
    while index < table.len() {
        table[index] = mu_of((index << 2) as u16 as i16);
        index += 1;
    }
    table
};

pub(super) static LINEAR_OF_A: [i16; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < table.len() {
        table[index] = linear_of_a(index as u8);
        index += 1;
    }
    table
};

pub(super) static LINEAR_OF_MU: [i16; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < table.len() {
        table[index] = linear_of_mu(index as u8);
        index += 1;
    }
    table
};

pub(super) static A_TO_MU: [u8; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < table.len() {
        let octet = index as u8;
        let plain = octet ^ A_EVEN_BITS;
        table[index] = !MU_NUMBER_OF_A[(plain & 0x7f) as usize] ^ (!plain & 0x80);
        index += 1;
    }
    table
};

pub(super) static MU_TO_A: [u8; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < table.len() {
        let octet = index as u8;
        let number = A_NUMBER_OF_MU[(!octet & 0x7f) as usize];
        table[index] = ((number - 1) | (octet & 0x80)) ^ A_EVEN_BITS;
        index += 1;
    }
    table
};
