//! What names in a configuration lead to on this machine.

use std::ffi::CString;
use std::path::{Path, PathBuf};

use brigade_sys::launch::Identity;
use nix::unistd::{AccessFlags, Gid, Group, Uid, User, access, getgrouplist};
use toml::Spanned;

use super::document::Document;

/// A user, as far as a configuration needs it.
pub(super) struct Account {
    pub(super) uid: u32,
    gid: u32,
    name: Option<String>,
}

/// The user of that name or number.
pub(super) fn user(document: &Document<'_>, name: &Spanned<String>) -> Option<Account> {
    let text = name.get_ref();
    if let Ok(uid) = text.parse::<u32>() {
        let known = User::from_uid(Uid::from_raw(uid)).ok().flatten();
        let gid = known.as_ref().map_or(uid, |user| user.gid.as_raw());
        return Some(Account { uid, gid, name: known.map(|user| user.name) });
    }
    match User::from_name(text) {
        Ok(Some(user)) => {
            let (uid, gid) = (user.uid.as_raw(), user.gid.as_raw());
            Some(Account { uid, gid, name: Some(user.name) })
        }
        _ => {
            document.report(name.span(), format!("there is no user `{text}`"), None);
            None
        }
    }
}

/// The group of that name or number.
pub(super) fn group(document: &Document<'_>, name: &Spanned<String>) -> Option<u32> {
    let text = name.get_ref();
    if let Ok(gid) = text.parse() {
        return Some(gid);
    }
    match Group::from_name(text) {
        Ok(Some(group)) => Some(group.gid.as_raw()),
        _ => {
            document.report(name.span(), format!("there is no group `{text}`"), None);
            None
        }
    }
}

/// Whose rights a program's processes have, if not those of the supervisor.
pub(super) fn identity(
    document: &Document<'_>,
    user_name: Option<&Spanned<String>>,
    group_name: Option<&Spanned<String>>,
) -> Option<Identity> {
    let account = user_name.and_then(|name| user(document, name));
    let own_group = group_name.and_then(|name| group(document, name));
    let span = user_name.or(group_name)?.span();
    let uid = account.as_ref().map_or_else(|| Uid::effective().as_raw(), |account| account.uid);
    let gid = own_group.or(account.as_ref().map(|account| account.gid))?;
    let groups = account.as_ref().and_then(|account| supplementary(account, gid));
    if !Uid::effective().is_root()
        && (uid != Uid::effective().as_raw() || gid != Gid::effective().as_raw())
    {
        let message = "only a supervisor that runs as root can change user and group";
        document.report(span, message.into(), None);
    }
    Some(Identity { uid, gid, groups: groups.unwrap_or_else(|| vec![gid]) })
}

fn supplementary(account: &Account, gid: u32) -> Option<Vec<u32>> {
    let name = CString::new(account.name.as_deref()?).ok()?;
    let groups = getgrouplist(&name, Gid::from_raw(gid)).ok()?;
    Some(groups.into_iter().map(Gid::as_raw).collect())
}

/// The directory, absolute.
pub(super) fn directory(document: &Document<'_>, path: &Spanned<PathBuf>) -> Option<PathBuf> {
    let resolved = document.resolve(path.get_ref());
    if resolved.is_dir() {
        return Some(resolved);
    }
    document.report(path.span(), format!("there is no directory {}", resolved.display()), None);
    None
}

/// The executable, absolute: a path from the configuration's directory, or a name in `PATH`.
pub(super) fn command(
    document: &Document<'_>,
    command: &Spanned<String>,
    search: Option<&str>,
) -> Option<PathBuf> {
    let text = command.get_ref();
    let refuse = |message: String, help: Option<String>| {
        document.report(command.span(), message, help);
        None
    };
    if text.is_empty() || text.contains('\0') {
        return refuse("expected the name of an executable".into(), None);
    }
    let split = text
        .contains(char::is_whitespace)
        .then(|| "the command is one name; what follows it belongs into `arguments`".to_owned());
    if text.contains('/') {
        let path = document.resolve(Path::new(text));
        return match explain(&path) {
            None => Some(path),
            Some(problem) => refuse(format!("{} {problem}", path.display()), split),
        };
    }
    let search = search.map_or_else(|| std::env::var_os("PATH"), |path| Some(path.into()));
    let search = search.unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    let mut found = std::env::split_paths(&search).map(|directory| directory.join(text));
    match found.find(|path| path.is_absolute() && explain(path).is_none()) {
        Some(path) => Some(path),
        None => refuse(format!("there is no executable `{text}` in PATH"), split),
    }
}

/// Why the file cannot be executed.
fn explain(path: &Path) -> Option<&'static str> {
    match std::fs::metadata(path) {
        Err(_) => Some("does not exist"),
        Ok(file) if !file.is_file() => Some("is not a file"),
        Ok(_) if access(path, AccessFlags::X_OK).is_err() => Some("is not executable"),
        Ok(_) => None,
    }
}
