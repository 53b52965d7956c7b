//! What a file is that is called safetensors and is something else: most often a download that did not bring the weights.

use super::HeaderError;

/// How a file of another kind begins, what it is, and what to do about it.
struct Kind {
    begins: &'static [&'static [u8]],
    what: &'static str,
    remedy: &'static str,
}

const CONVERT: &str = "convert it to safetensors first";

static KINDS: [Kind; 9] = [
    Kind {
        begins: &[b"version https://git-lfs", b"version https://hawser"],
        what: "a Git LFS pointer, which stands for the weights",
        remedy: "fetch the weights themselves, with `git lfs pull` or `hf download`",
    },
    Kind {
        begins: &[b"/annex/objects/", b"../.git/annex/", b".git/annex/"],
        what: "a git-annex pointer, which stands for the weights",
        remedy: "fetch the weights themselves, with `git annex get`",
    },
    Kind {
        begins: &[b"<!doctype", b"<!DOCTYPE", b"<html", b"<HTML", b"<?xml", b"<head", b"<Error>"],
        what: "a web page or an answer of a server, saved under this name",
        remedy: "look what it says (often that one must log in or accept terms), then fetch the weights again",
    },
    Kind {
        begins: &[
            b"Entry not found",
            b"Access to model",
            b"Repository not found",
            b"Invalid username or password",
            b"Not Found",
            b"404: Not Found",
        ],
        what: "a server's refusal, saved under this name",
        remedy: "look what it says, then fetch the weights again",
    },
    Kind {
        begins: &[b"PK\x03\x04", b"PK\x05\x06"],
        what: "a zip archive, as PyTorch's own files are",
        remedy: CONVERT,
    },
    Kind {
        begins: &[b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"],
        what: "a Python pickle, as PyTorch's older files are",
        remedy: CONVERT,
    },
    Kind {
        begins: &[b"GGUF", b"ggml", b"lmgg", b"tjgg"],
        what: "a GGUF or GGML file",
        remedy: "give the model's safetensors files",
    },
    Kind {
        begins: &[b"\x00\x05\x16\x07", b"\x00\x05\x16\x00"],
        what: "an AppleDouble file, in which macOS keeps what a file has beside its data",
        remedy: "remove it; the weights are in the file of the same name without `._`",
    },
    Kind {
        begins: &[b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"\x04\x22\x4d\x18"],
        what: "compressed by another program",
        remedy: "decompress it first",
    },
];

/// Spaces and marks that may come before a text.
const BEFORE_TEXT: [&[u8]; 5] = [b" ", b"\n", b"\r", b"\t", b"\xef\xbb\xbf"];

/// The error for a file that does not begin as safetensors do, which shows in `why`.
pub(super) fn something_else(file: &[u8], why: &'static str) -> HeaderError {
    if file.is_empty() {
        return HeaderError::SomethingElse {
            what: "empty (fewer than 8 bytes): its download has not begun, or nothing was written",
            remedy: "fetch the weights again",
        };
    }
    let mut text = file;
    while let Some(rest) = BEFORE_TEXT.iter().find_map(|mark| text.strip_prefix(*mark)) {
        text = rest;
    }
    let is_kind =
        |kind: &&Kind| kind.begins.iter().any(|begin| file.starts_with(begin) || text.starts_with(begin));
    if let Some(Kind { what, remedy, .. }) = KINDS.iter().find(is_kind) {
        return HeaderError::SomethingElse { what, remedy };
    }
    // A download that reserves its room first is zeros where it has not come to yet.
    const ENOUGH: usize = 4096;
    if file.len() >= ENOUGH && file[..ENOUGH].iter().all(|byte| *byte == 0) {
        return HeaderError::SomethingElse {
            what: "zeros where its header should be: its download is not complete",
            remedy: "fetch the weights again",
        };
    }
    HeaderError::NotSafetensors { why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_downloads_bring_instead_of_weights_is_named() {
        let what = |file: &[u8]| match something_else(file, "") {
            HeaderError::SomethingElse { what, .. } => what,
            _ => "",
        };
        assert!(what(b"version https://git-lfs.github.com/spec/v1\noid").contains("Git LFS"));
        assert!(what(b"\n  <!DOCTYPE html><html>").contains("web page"));
        assert!(what(b"\xef\xbb\xbf<html>").contains("web page"));
        assert!(what(b"PK\x03\x04data").contains("zip"));
        assert!(what(b"").contains("empty"));
        assert!(what(&[0; 5000]).contains("zeros"));
        assert_eq!(what(&[0; 64]), "");
        assert_eq!(what(b"#!/bin/sh"), "");
    }
}
