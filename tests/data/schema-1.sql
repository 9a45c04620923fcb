CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE nodes (
  ino INTEGER PRIMARY KEY AUTOINCREMENT,
  kind INTEGER NOT NULL,
  parent INTEGER NOT NULL,
  name TEXT NOT NULL,
  fold TEXT NOT NULL,
  deleted INTEGER NOT NULL,
  size INTEGER NOT NULL,
  mtime INTEGER NOT NULL, ctime INTEGER NOT NULL, atime INTEGER NOT NULL, btime INTEGER NOT NULL,
  mode INTEGER NOT NULL, uid INTEGER NOT NULL, gid INTEGER NOT NULL,
  content INTEGER,
  generation INTEGER NOT NULL,
  unsealed INTEGER NOT NULL,
  box_id TEXT,
  base_parent TEXT, base_name TEXT, base_version TEXT, base_sha1 TEXT, base_generation INTEGER, base_mtime INTEGER,
  complete INTEGER NOT NULL,
  changed_at INTEGER NOT NULL,
  dirty_since INTEGER,
  due INTEGER,
  hold TEXT,
  failures INTEGER NOT NULL,
  time_refused TEXT,
  target BLOB
);
CREATE UNIQUE INDEX nodes_name ON nodes (parent, name) WHERE deleted = 0;
CREATE INDEX nodes_fold ON nodes (parent, fold) WHERE deleted = 0;
CREATE INDEX nodes_order ON nodes (parent, ino) WHERE deleted = 0;
CREATE UNIQUE INDEX nodes_item ON nodes (kind, box_id) WHERE box_id IS NOT NULL;
CREATE INDEX nodes_due ON nodes (due) WHERE due IS NOT NULL;
CREATE INDEX nodes_dirty ON nodes (parent) WHERE dirty_since IS NOT NULL;

CREATE TABLE remote (
  kind INTEGER NOT NULL, id TEXT NOT NULL,
  parent TEXT, name TEXT NOT NULL, fold TEXT NOT NULL,
  version TEXT, etag TEXT, sequence INTEGER, sha1 TEXT, size INTEGER NOT NULL,
  created INTEGER, modified INTEGER, trashed INTEGER NOT NULL, rights INTEGER NOT NULL,
  lock TEXT, url TEXT, listing INTEGER, buried INTEGER,
  PRIMARY KEY (kind, id)
) WITHOUT ROWID;
CREATE INDEX remote_fold ON remote (parent, fold) WHERE trashed = 0;

CREATE TABLE attempts (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  ino INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  state INTEGER NOT NULL,
  target_kind INTEGER, target_id TEXT,
  parent TEXT, name TEXT, fold TEXT,
  base_version TEXT, sha1 TEXT, generation INTEGER, mtime INTEGER,
  sent_at INTEGER NOT NULL, settled_at INTEGER,
  result_id TEXT
);
CREATE INDEX attempts_ino ON attempts (ino) WHERE settled_at IS NULL;
CREATE INDEX attempts_slot ON attempts (parent, fold) WHERE settled_at IS NULL;
CREATE INDEX attempts_target ON attempts (target_kind, target_id) WHERE settled_at IS NULL;
CREATE INDEX attempts_settled ON attempts (settled_at) WHERE settled_at IS NOT NULL;

CREATE TABLE sessions (
  ino INTEGER PRIMARY KEY,
  content INTEGER NOT NULL, generation INTEGER NOT NULL,
  id TEXT NOT NULL, endpoints TEXT NOT NULL, part_size INTEGER NOT NULL, size INTEGER NOT NULL,
  file_id TEXT, parent TEXT, name TEXT,
  expires INTEGER
);

CREATE TABLE contents (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  ino INTEGER NOT NULL,
  place INTEGER NOT NULL,
  state INTEGER NOT NULL,
  sha1 TEXT,
  origin_file TEXT, origin_version TEXT, origin_sha1 TEXT, origin_size INTEGER,
  ranges BLOB,
  size INTEGER NOT NULL, smallest INTEGER NOT NULL,
  stamp_size INTEGER, stamp_mtime INTEGER, stamp_ctime INTEGER,
  durable INTEGER NOT NULL,
  boot TEXT NOT NULL
);
CREATE INDEX contents_place ON contents (place, id);

CREATE TABLE xattrs (ino INTEGER NOT NULL, name BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (ino, name)) WITHOUT ROWID;
