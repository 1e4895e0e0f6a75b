//! Ports of this machine that no other test uses at the same time. Ports are lent in blocks; a
//! block is held by a locked file, which the system frees whatever becomes of the test.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::PathBuf;

/// Below the range from which the system takes ports for outgoing connections (32768 and up), so
/// that nobody gets one of them by chance.
const FIRST_PORT: u16 = 3_000;
const END_PORT: u16 = 32_000;
const BLOCK_PORTS: u16 = 100;

/// In a long row, one port in this many may be in use by strangers.
const TAKEN_AT_MOST: u16 = 10;

/// Some ports in a row.
#[derive(Debug)]
pub struct Ports {
    first: u16,
    count: u16,
    _locks: Vec<File>,
}

impl Ports {
    /// Borrows `count` ports in a row. They are free, but for a few in a long row: those who use
    /// many ports can do without some.
    ///
    /// # Panics
    /// When there are none.
    pub fn borrow(count: u16) -> Ports {
        let folder = lock_folder();
        let blocks = count.div_ceil(BLOCK_PORTS);
        let all = (END_PORT - FIRST_PORT) / BLOCK_PORTS;
        // Tests that start together begin to look in different places.
        let begin = u16::try_from(std::process::id() % u32::from(all)).unwrap_or(0);
        for step in 0..all {
            let block = (begin + step) % all;
            if block + blocks > all {
                continue;
            }
            let locks: Option<Vec<File>> = (block..block + blocks)
                .map(|block| lock(&folder.join(block.to_string())))
                .collect();
            let Some(locks) = locks else { continue };
            let first = FIRST_PORT + block * BLOCK_PORTS;
            let taken = (first..first + count).filter(|port| !is_free(*port));
            if taken.count() <= usize::from(count.saturating_sub(BLOCK_PORTS) / TAKEN_AT_MOST) {
                return Ports {
                    first,
                    count,
                    _locks: locks,
                };
            }
        }
        panic!("there are no {count} free ports in a row from {FIRST_PORT} to {END_PORT}");
    }

    /// The first one.
    pub fn first(&self) -> u16 {
        self.first
    }

    /// The last one.
    pub fn last(&self) -> u16 {
        self.first + self.count - 1
    }
}

fn lock_folder() -> PathBuf {
    let user = rustix::process::getuid().as_raw();
    let folder = std::env::temp_dir().join(format!("fernamt-interop-ports-{user}"));
    fs::create_dir_all(&folder).expect("the folder of port locks can be made");
    folder
}

fn lock(path: &PathBuf) -> Option<File> {
    let file = File::create(path).expect("a port lock can be made");
    file.try_lock().ok().map(|()| file)
}

fn is_free(port: u16) -> bool {
    UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
        && TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_gets_ports_that_somebody_has() {
        let one = Ports::borrow(150);
        let two = Ports::borrow(150);
        assert_eq!(one.last() - one.first(), 149);
        assert!(one.last() < two.first() || two.last() < one.first());
    }
}
