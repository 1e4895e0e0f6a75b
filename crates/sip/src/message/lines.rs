//! Header lines of bytes that are not known to be a message: folded ones in one piece, however
//! they end.

/// Iterates over the lines, line ends included.
pub(crate) struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Lines<'a> {
    pub(crate) fn new(head: &'a [u8]) -> Lines<'a> {
        Lines { rest: head }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let mut end = 0;
        loop {
            let tail = self.rest.get(end..).unwrap_or(&[]);
            let Some(line_feed) = memchr::memchr(b'\n', tail) else {
                end = self.rest.len();
                break;
            };
            end += line_feed + 1;
            if !matches!(self.rest.get(end), Some(b' ' | b'\t')) {
                break;
            }
        }
        let (line, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        Some(line)
    }
}
