//! The store-and-forward log on disk: blocks, segment files, cursors, healing.
