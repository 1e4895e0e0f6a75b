//! Reads a TOML table key by key and refuses what nobody asked for. Not the settings themselves.

use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What is wrong with a configuration file, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.sentence())]
pub struct ConfigError {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1; `None` where the whole file is meant.
    pub line: Option<usize>,
    /// The key with its section, for example `listen.sip`.
    pub key: Option<String>,
    /// What is wrong and what to do about it, as a sentence without its full stop.
    pub problem: String,
}

impl ConfigError {
    fn sentence(&self) -> String {
        let mut sentence = self.file.display().to_string();
        if let Some(line) = self.line {
            sentence.push_str(&format!(", line {line}"));
        }
        if let Some(key) = &self.key {
            sentence.push_str(&format!(", key `{key}`"));
        }
        format!("{sentence}: {}", self.problem)
    }
}

/// A file that is being read.
#[derive(Clone, Copy)]
pub(super) struct File<'a> {
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
}

impl File<'_> {
    pub(super) fn error(
        &self,
        at: Option<usize>,
        key: Option<String>,
        problem: String,
    ) -> ConfigError {
        let line = at.map(|offset| {
            let before = self.text.get(..offset).unwrap_or(self.text);
            before.bytes().filter(|byte| *byte == b'\n').count() + 1
        });
        ConfigError {
            file: self.path.to_path_buf(),
            line,
            key,
            problem,
        }
    }
}

/// A value that a key can have.
pub(super) trait Setting: Sized {
    /// What is wanted, for the error: `a number from 1 to 65535`.
    const WANTED: &'static str;

    /// The value, or `None` when it is something else than wanted.
    fn read(value: &DeValue<'_>) -> Option<Self>;
}

/// One table of the file. Every key that is read becomes a known key; [`Section::finish`] refuses
/// all others.
pub(super) struct Section<'a> {
    file: File<'a>,
    name: String,
    table: Option<&'a DeTable<'a>>,
    known: Vec<&'static str>,
}

impl<'a> Section<'a> {
    pub(super) fn root(file: File<'a>, table: &'a DeTable<'a>) -> Section<'a> {
        Section {
            file,
            name: String::new(),
            table: Some(table),
            known: Vec::new(),
        }
    }

    fn find(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.known.push(key);
        self.table?.get(key)
    }

    fn qualified(&self, key: &str) -> String {
        if self.name.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.name)
        }
    }

    /// The table under `key`; an empty one where the file has none.
    pub(super) fn section(&mut self, key: &'static str) -> Result<Section<'a>, ConfigError> {
        let name = self.qualified(key);
        let table = match self.find(key) {
            None => None,
            Some(value) => match value.get_ref().as_table() {
                Some(table) => Some(table),
                None => {
                    let problem =
                        format!("`{key}` is a section; write [{name}] and its keys below");
                    return Err(self
                        .file
                        .error(Some(value.span().start), Some(name), problem));
                }
            },
        };
        Ok(Section {
            file: self.file,
            name,
            table,
            known: Vec::new(),
        })
    }

    /// Puts the value of `key` into `target`, where the file has one.
    pub(super) fn read<T: Setting>(
        &mut self,
        key: &'static str,
        target: &mut T,
    ) -> Result<(), ConfigError> {
        if let Some(value) = self.optional(key)? {
            *target = value;
        }
        Ok(())
    }

    /// The value of `key`, where the file has one.
    pub(super) fn optional<T: Setting>(
        &mut self,
        key: &'static str,
    ) -> Result<Option<T>, ConfigError> {
        let Some(value) = self.find(key) else {
            return Ok(None);
        };
        match T::read(value.get_ref()) {
            Some(read) => Ok(Some(read)),
            None => {
                let found = value.get_ref().type_str();
                let problem = format!("wanted {}, found this {found}", T::WANTED);
                let name = self.qualified(key);
                Err(self
                    .file
                    .error(Some(value.span().start), Some(name), problem))
            }
        }
    }

    /// Refuses every key that was not read, naming the nearest one that could have been meant.
    pub(super) fn finish(self) -> Result<(), ConfigError> {
        let Some(table) = self.table else {
            return Ok(());
        };
        for (key, _) in table.iter() {
            let name: &str = key.get_ref();
            if self.known.contains(&name) {
                continue;
            }
            let problem = match nearest(name, &self.known) {
                Some(near) => format!("there is no such key; did you mean `{near}`?"),
                None => format!("there is no such key; there are: {}", self.known.join(", ")),
            };
            // Any text can stand here; it goes to a terminal.
            let shown = self.qualified(&name.escape_debug().to_string());
            return Err(self
                .file
                .error(Some(key.span().start), Some(shown), problem));
        }
        Ok(())
    }
}

/// The known key that needs the fewest changes to become `name`, where that is less than half of it.
fn nearest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    known
        .iter()
        .map(|key| (distance(name, key), *key))
        .min()
        .filter(|(changes, key)| *changes * 2 <= key.len().max(2))
        .map(|(_, key)| key)
}

/// Levenshtein's distance between two short texts.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, from) in a.chars().take(64).enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (above, to) in row.iter().skip(1).zip(b.chars()) {
            let cost = diagonal + usize::from(from != to);
            diagonal = *above;
            left = cost.min(left + 1).min(above + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_changes() {
        assert_eq!(distance("listen", "listen"), 0);
        assert_eq!(distance("lisen", "listen"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn the_nearest_key_is_only_offered_when_it_is_near() {
        assert_eq!(
            nearest("certificat", &["certificate", "key"]),
            Some("certificate")
        );
        assert_eq!(nearest("zzzzzz", &["certificate", "key"]), None);
    }
}
