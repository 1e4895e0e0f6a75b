//! What the fixed header says: class, method and transaction (RFC 8489 section 5).

use core::fmt;

/// The class of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Wants a response.
    Request,
    /// Wants none.
    Indication,
    /// The response to a request that was carried out.
    Success,
    /// The response to a request that was not.
    Error,
}

impl Class {
    const fn bits(self) -> u16 {
        match self {
            Class::Request => 0x000,
            Class::Indication => 0x010,
            Class::Success => 0x100,
            Class::Error => 0x110,
        }
    }

    const fn of(kind: u16) -> Class {
        match (kind & 0x100 != 0, kind & 0x010 != 0) {
            (false, false) => Class::Request,
            (false, true) => Class::Indication,
            (true, false) => Class::Success,
            (true, true) => Class::Error,
        }
    }
}

/// A method: 12 bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Method(u16);

impl Method {
    /// Asks for the reflexive address (RFC 8489 section 3).
    pub const BINDING: Method = Method(0x001);
    /// Asks for a relayed transport address (RFC 8656 section 7).
    pub const ALLOCATE: Method = Method(0x003);
    /// Extends or ends an allocation (RFC 8656 section 8).
    pub const REFRESH: Method = Method(0x004);
    /// Data from the client to a peer (RFC 8656 section 11.2).
    pub const SEND: Method = Method(0x006);
    /// Data from a peer to the client (RFC 8656 section 11.4).
    pub const DATA: Method = Method(0x007);
    /// Lets a peer send (RFC 8656 section 10).
    pub const CREATE_PERMISSION: Method = Method(0x008);
    /// Gives a peer a channel (RFC 8656 section 12).
    pub const CHANNEL_BIND: Method = Method(0x009);

    /// The method with this number, of which the lower 12 bits count.
    pub const fn new(number: u16) -> Method {
        Method(number & 0xfff)
    }

    /// Its number.
    pub const fn number(self) -> u16 {
        self.0
    }
}

impl fmt::Debug for Method {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Method::BINDING => "Binding",
            Method::ALLOCATE => "Allocate",
            Method::REFRESH => "Refresh",
            Method::SEND => "Send",
            Method::DATA => "Data",
            Method::CREATE_PERMISSION => "CreatePermission",
            Method::CHANNEL_BIND => "ChannelBind",
            Method(number) => return write!(formatter, "Method({number:#05x})"),
        };
        formatter.write_str(name)
    }
}

/// The message type: the bits of the class lie between those of the method.
pub(super) const fn kind(class: Class, method: Method) -> u16 {
    let number = method.0;
    (number & 0xf80) << 2 | (number & 0x070) << 1 | number & 0x00f | class.bits()
}

/// The other way round.
pub(super) const fn class_and_method(kind: u16) -> (Class, Method) {
    let number = (kind >> 2) & 0xf80 | (kind >> 1) & 0x070 | kind & 0x00f;
    (Class::of(kind), Method(number))
}

/// Which request a response belongs to. Whoever can guess it can forge the response, so it must
/// come from a cryptographically strong random source.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TransactionId(pub [u8; 12]);

impl fmt::Debug for TransactionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_read_as_it_is_written() {
        for number in 0..=0xfff {
            for class in [
                Class::Request,
                Class::Indication,
                Class::Success,
                Class::Error,
            ] {
                let method = Method::new(number);
                let kind = kind(class, method);
                assert!(kind < 0x4000);
                assert_eq!(class_and_method(kind), (class, method));
            }
        }
    }

    /// Values of the registry of RFC 8656 section 17 and RFC 8489 section 5.
    #[test]
    fn the_types_are_those_of_the_rfcs() {
        assert_eq!(kind(Class::Request, Method::BINDING), 0x0001);
        assert_eq!(kind(Class::Success, Method::BINDING), 0x0101);
        assert_eq!(kind(Class::Error, Method::BINDING), 0x0111);
        assert_eq!(kind(Class::Request, Method::ALLOCATE), 0x0003);
        assert_eq!(kind(Class::Indication, Method::SEND), 0x0016);
        assert_eq!(kind(Class::Indication, Method::DATA), 0x0017);
        assert_eq!(kind(Class::Error, Method::CHANNEL_BIND), 0x0119);
    }
}
