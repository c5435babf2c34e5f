//! The program that this process runs, as the loader sees it: where its code lies, and which build
//! it is.
//!
//! # Safety
//!
//! The loader's list is read only inside its callback, while the loader keeps it unchanged. What
//! is kept of it is copied. The main program is never unloaded, so the ranges stay readable.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::hash::{DefaultHasher, Hasher};
use std::ops::Range;
use std::ptr;
use std::slice;
use std::sync::OnceLock;

/// The type of the note that holds a build id (`NT_GNU_BUILD_ID`).
const BUILD_ID_NOTE: u32 = 3;

/// The main program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// What the loader added to every address of the file.
    pub base: usize,
    /// The addresses of its code.
    pub code: Vec<Range<usize>>,
    /// What tells this build from every other: the linker's build id, or a digest of the code if
    /// the linker made none.
    pub build: Vec<u8>,
}

impl Image {
    /// The program that this process runs. Looked up once.
    pub fn program() -> &'static Self {
        static PROGRAM: OnceLock<Image> = OnceLock::new();
        PROGRAM.get_or_init(Self::look_up)
    }

    /// Whether `address` lies in the program's code.
    pub fn contains(&self, address: usize) -> bool {
        self.code.iter().any(|range| range.contains(&address))
    }

    fn look_up() -> Self {
        let mut image = Self { base: 0, code: Vec::new(), build: Vec::new() };
        // SAFETY: the callback has the type that the loader calls, and the data that it is given
        // outlives the call.
        unsafe { libc::dl_iterate_phdr(Some(visit), ptr::from_mut(&mut image).cast()) };
        if image.build.is_empty() {
            image.build = digest(&image.code);
        }
        image
    }
}

/// Reads the first object of the list, which is the main program, and ends the iteration.
///
/// # Safety
///
/// Only for the loader, which hands over a valid entry, and what `look_up` gave it.
unsafe extern "C" fn visit(
    info: *mut libc::dl_phdr_info,
    _size: libc::size_t,
    image: *mut c_void,
) -> c_int {
    // SAFETY: the loader hands over a valid entry for the time of the call.
    let info = unsafe { &*info };
    // SAFETY: this is the pointer that `look_up` gave to the loader, used by nobody else now.
    let image = unsafe { &mut *image.cast::<Image>() };
    // SAFETY: the entry says where the program headers lie and how many there are.
    let headers = unsafe { slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    image.base = usize::try_from(info.dlpi_addr).unwrap_or(0);
    for header in headers {
        let start = image.base.wrapping_add(usize::try_from(header.p_vaddr).unwrap_or(0));
        let length = usize::try_from(header.p_memsz).unwrap_or(0);
        let range = start..start.saturating_add(length);
        match header.p_type {
            libc::PT_LOAD if header.p_flags & libc::PF_X != 0 => image.code.push(range),
            libc::PT_NOTE if image.build.is_empty() => {
                // SAFETY: the loader has mapped this part of the file there.
                let notes =
                    unsafe { slice::from_raw_parts(ptr::with_exposed_provenance(start), length) };
                image.build = build_id(notes).map(<[u8]>::to_vec).unwrap_or_default();
            }
            _ => {}
        }
    }
    1
}

/// Finds the build id among `notes`: each is three words (length of the name, length of the
/// content, type), the name and the content, both padded to words.
fn build_id(mut notes: &[u8]) -> Option<&[u8]> {
    loop {
        let (header, rest) = notes.split_at_checked(12)?;
        let word = |index: usize| {
            let bytes = header.get(index * 4..index * 4 + 4)?.try_into().ok()?;
            Some(u32::from_ne_bytes(bytes))
        };
        let name_length = usize::try_from(word(0)?).ok()?;
        let length = usize::try_from(word(1)?).ok()?;
        let (name, rest) = rest.split_at_checked(name_length.checked_next_multiple_of(4)?)?;
        let content = rest.get(..length)?;
        if word(2)? == BUILD_ID_NOTE && name.starts_with(b"GNU\0") && !content.is_empty() {
            return Some(content);
        }
        notes = rest.get(length.checked_next_multiple_of(4)?..)?;
    }
}

/// Two independent hashes of all code.
fn digest(code: &[Range<usize>]) -> Vec<u8> {
    let mut hashers = [DefaultHasher::new(), DefaultHasher::new()];
    hashers[1].write_u8(1);
    for range in code {
        let start = ptr::with_exposed_provenance(range.start);
        // SAFETY: the loader has mapped this code there, readable, for the life of the process.
        let bytes: &[u8] = unsafe { slice::from_raw_parts(start, range.len()) };
        hashers.iter_mut().for_each(|hasher| hasher.write(bytes));
    }
    hashers.iter().flat_map(|hasher| hasher.finish().to_ne_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_contains_its_own_functions_and_not_the_librarys() {
        let image = Image::program();
        let own: fn() = the_program_contains_its_own_functions_and_not_the_librarys;
        assert!(image.contains((own as *const ()).addr()));
        assert!(
            !image.contains((libc::getpid as *const ()).addr())
                || cfg!(target_feature = "crt-static")
        );
        assert!(!image.contains(0));
        assert!(image.build.len() >= 8);
    }

    #[test]
    fn a_build_id_is_found_behind_another_note() {
        let note = |name: &[u8], kind: u32, content: &[u8]| {
            let mut bytes = Vec::new();
            for word in [name.len() as u32, content.len() as u32, kind] {
                bytes.extend(word.to_ne_bytes());
            }
            for part in [name, content] {
                bytes.extend(part);
                bytes.resize(bytes.len().next_multiple_of(4), 0);
            }
            bytes
        };
        let mut notes = note(b"stapsdt\0", 3, b"x");
        notes.extend(note(b"GNU\0", 1, b"abi"));
        notes.extend(note(b"GNU\0", BUILD_ID_NOTE, b"0123456789abcdefghij"));
        assert_eq!(build_id(&notes), Some(&b"0123456789abcdefghij"[..]));
        for length in 0..notes.len() {
            assert_eq!(
                build_id(&notes[..length]).filter(|id| id.len() == 20 && length < notes.len()),
                None
            );
        }
    }

    #[test]
    fn two_programs_without_a_build_id_differ_by_their_code() {
        let code = Image::program().code.clone();
        let whole = digest(&code);
        let first = code.first().cloned().map(|range| range.start..range.start + 64);
        assert_eq!(whole.len(), 16);
        assert_ne!(whole, digest(first.as_slice()));
        assert_eq!(whole, digest(&code));
    }
}
