//! Which crate may know which: down, never sideways, never up.

use crate::Complaint;

/// Every crate and its floor.
const FLOORS: [(&str, u32); 10] = [
    ("brigade-sys", 0),
    ("brigade-codec", 0),
    ("brigade-shm", 1),
    ("brigade-wire", 1),
    ("brigade-process", 2),
    ("brigade-pool", 3),
    ("brigade-manager", 3),
    ("brigade-supervisor", 3),
    ("brigade-remote", 3),
    ("brigade", 4),
];

/// What stands above every floor.
const ROOF: u32 = 5;
const ON_THE_ROOF: [&str; 8] = [
    "brigaded",
    "brigadectl",
    "brigade-worker",
    "brigade-tests",
    "brigade-examples",
    "brigade-bench",
    "brigade-proof",
    "brigade-models",
];

/// Stands apart: the façade exports it, and it knows nobody.
const APART: &str = "brigade-macros";

/// The edges that go up or sideways, and the packages that have no floor.
pub(crate) fn complaints(manifests: &[(String, toml::Table)]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (path, manifest) in manifests {
        let name = manifest["package"]["name"].as_str().unwrap_or_default();
        if name != APART && floor(name).is_none() {
            complaints.push(Complaint::new(path, 0, format!("{name} has no floor")));
            continue;
        }
        for imported in imports(manifest) {
            if !is_allowed(name, &imported) {
                let text = format!("{name} may not import {imported}: it is not below");
                complaints.push(Complaint::new(path, 0, text));
            }
        }
    }
    complaints
}

fn is_allowed(name: &str, imported: &str) -> bool {
    if imported == name {
        // Only tests can: they ask for features of their own crate.
        return true;
    }
    if imported == APART {
        return name == "brigade";
    }
    match (floor(name), floor(imported)) {
        (Some(upper), Some(lower)) => lower < upper,
        _ => false,
    }
}

fn floor(name: &str) -> Option<u32> {
    let crates = FLOORS.iter().find(|(known, _)| *known == name).map(|&(_, floor)| floor);
    crates.or_else(|| ON_THE_ROOF.contains(&name).then_some(ROOF))
}

/// The packages of this workspace that a manifest names, for whatever purpose or platform.
fn imports(manifest: &toml::Table) -> Vec<String> {
    let mut found = Vec::new();
    for (key, value) in manifest {
        let Some(table) = value.as_table() else { continue };
        if key.ends_with("dependencies") {
            found.extend(table.iter().map(|(name, details)| {
                let renamed = details.get("package").and_then(toml::Value::as_str);
                renamed.unwrap_or(name).to_owned()
            }));
        } else if key == "target" {
            found.extend(table.values().filter_map(toml::Value::as_table).flat_map(imports));
        }
    }
    found.retain(|name| name.starts_with("brigade"));
    found
}

#[cfg(test)]
fn complaints_about(name: &str, dependencies: &str) -> usize {
    let text = format!("[package]\nname = \"{name}\"\n{dependencies}");
    complaints(&[("x/Cargo.toml".to_owned(), text.parse().unwrap())]).len()
}

#[test]
fn an_edge_up_or_sideways_is_found() {
    let below = "[dependencies]\nbrigade-sys = { path = \"\" }\nserde = \"1\"";
    assert_eq!(complaints_about("brigade-shm", below), 0);

    let sideways = "[dependencies]\nbrigade-wire.workspace = true";
    assert_eq!(complaints_about("brigade-shm", sideways), 1);
    let itself = "[dev-dependencies]\nbrigade-shm = { path = \".\", features = [\"x\"] }";
    assert_eq!(complaints_about("brigade-shm", itself), 0);
    let up = "[dev-dependencies]\nbrigade-process.workspace = true";
    assert_eq!(complaints_about("brigade-shm", up), 1);
    let for_a_platform = "[target.'cfg(unix)'.dependencies]\nbrigade-pool.workspace = true";
    assert_eq!(complaints_about("brigade-process", for_a_platform), 1);
    let renamed = "[dependencies]\nshm = { package = \"brigade-shm\", path = \"\" }";
    assert_eq!(complaints_about("brigade-sys", renamed), 1);
    let macros = "[dependencies]\nbrigade-macros.workspace = true";
    assert_eq!(complaints_about("brigade-pool", macros), 1);
    let program = "[dependencies]\nbrigadectl = { path = \"\" }";
    assert_eq!(complaints_about("brigaded", program), 1);
}

#[test]
fn a_crate_without_a_floor_is_found() {
    assert_eq!(complaints_about("brigade-attic", ""), 1);
}
