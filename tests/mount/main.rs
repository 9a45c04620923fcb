//! Real mounts and real programs: the binary in a process of its own, an emulated Box in this one, the kernel between.
//!
//! What a test claims about Box is read from the emulator, never from boxfs. Most tests run in both modes: passthrough,
//! which takes root, and copying.
#![allow(clippy::unwrap_used)]

#[macro_use]
mod support;

mod account;
mod arrival;
mod attributes;
mod cache;
mod catch_up;
mod changes;
mod cold;
mod companies;
mod copies;
mod damage;
mod discards;
mod doubt;
mod ends;
mod failures;
mod faults;
mod folders;
mod fresh;
mod inhibits;
mod kills;
mod life;
mod limits;
mod links;
mod listings;
mod local_only;
mod maps;
mod names;
mod odd_names;
mod offline;
mod old_versions;
mod open_files;
mod ordinary_user;
mod outage;
mod past;
mod pauses;
mod pins;
mod programs;
mod random_saves;
mod readers;
mod reading;
mod refusals;
mod rig;
mod rsync;
mod secrets;
mod semantics;
mod sign_in;
mod sign_in_browser;
mod sign_in_keyring;
mod sign_in_lost;
mod sign_in_refresh;
mod sign_in_secrets;
mod thumbnails;
mod together;
mod travel;
mod troubles;
mod two_mounts;
mod upgrades;
mod views;
mod waits;
mod watching;
