//! A target's corpus: `seed-*` are valid encodings that the code made, anything else was worth keeping.

#![allow(clippy::expect_used, reason = "only tests come here, and a corpus that cannot be read fails them")]

use std::fs;
use std::path::{Path, PathBuf};

/// The files of one target.
pub(crate) struct Corpus {
    name: String,
    dir: PathBuf,
}

/// Whether the file holds a valid encoding that the code made.
pub(crate) fn is_seed(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"seed-"))
}

impl Corpus {
    pub(crate) fn of(name: &str) -> Self {
        Self { name: name.to_owned(), dir: fuzz().join("corpus").join(name) }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Every file with its bytes, by name. A target without any, or without its binary, fails here.
    pub(crate) fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let binary = self.binary();
        assert!(binary.exists(), "{} is missing: {}", binary.display(), super::BLESS);
        let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).expect("fuzz/Cargo.toml");
        assert!(manifest.contains(&format!("name = \"{}\"", self.name)), "{} has no [[bin]]", self.name);
        let missing = format!("{} is missing: {}", self.dir.display(), super::BLESS);
        let mut files: Vec<_> = fs::read_dir(&self.dir)
            .expect(&missing)
            .map(|entry| entry.expect("a file of the corpus").path())
            .collect();
        files.sort();
        assert!(!files.is_empty(), "{missing}");
        let read = |file: PathBuf| {
            let bytes = fs::read(&file).expect("a file of the corpus");
            (file, bytes)
        };
        files.into_iter().map(read).collect()
    }

    /// Puts `seeds` in the place of the seeds that are there, and writes the target's binary.
    pub(crate) fn bless(&self, krate: &str, target: &str, seeds: &[&[u8]]) {
        fs::create_dir_all(&self.dir).expect("the corpus is made");
        for entry in fs::read_dir(&self.dir).expect("the corpus") {
            let file = entry.expect("a file of the corpus").path();
            if is_seed(&file) {
                fs::remove_file(file).expect("an old seed goes");
            }
        }
        for (number, seed) in seeds.iter().enumerate() {
            fs::write(self.dir.join(format!("seed-{number:02}")), seed).expect("a seed is written");
        }
        let text = format!(
            "#![no_main]\n\nlibfuzzer_sys::fuzz_target!(|bytes: &[u8]| \
             conclave_fuzz::run(conclave_{krate}::fuzzing::TARGETS, \"{target}\", bytes));\n"
        );
        fs::write(self.binary(), text).expect("the binary is written");
    }

    fn binary(&self) -> PathBuf {
        fuzz().join("fuzz_targets").join(format!("{}.rs", self.name))
    }
}

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}
