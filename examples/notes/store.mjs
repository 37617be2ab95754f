/** How many notes a list holds at most, newest first. */
export const LIST_LIMIT = 200

/**
 * The notes in one SQLite file, which is made if there is none. Every call is one transaction.
 * During a restart the old process and the new one have the file open together: hence WAL and the wait for a lock.
 */
export const openStore = (path) => {
  // Not a plain import: on a Node without it, that would be a stack trace instead of a sentence.
  const sqlite = process.getBuiltinModule?.('node:sqlite')
  if (!sqlite) throw new Error(`node:sqlite is missing from Node ${process.version}: use Node 22.13 or newer`)

  let db
  try {
    db = new sqlite.DatabaseSync(path)
    db.exec('PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL')
    db.exec(`CREATE TABLE IF NOT EXISTS note (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      text TEXT NOT NULL,
      author TEXT,
      created TEXT NOT NULL
    ) STRICT`)
  } catch (cause) {
    throw new Error(`cannot open the database ${path}: ${cause.message}`, { cause })
  }

  const insert = db.prepare('INSERT INTO note (text, author, created) VALUES (?, ?, ?) RETURNING *')
  const select = db.prepare('SELECT * FROM note WHERE id = ?')
  const newest = db.prepare('SELECT * FROM note ORDER BY id DESC LIMIT ?')
  const remove = db.prepare('DELETE FROM note WHERE id = ?')
  const count = db.prepare('SELECT count(*) AS total FROM note')

  return {
    add: (text, author) => insert.get(text, author, new Date().toISOString()),
    find: (id) => select.get(id),
    list: () => newest.all(LIST_LIMIT),
    /** True when there was such a note. */
    remove: (id) => remove.run(id).changes === 1,
    count: () => count.get().total,
    close: () => db.close(),
  }
}
