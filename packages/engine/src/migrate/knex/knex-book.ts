import type { Connection, Transaction } from '@imhotep/postgres'
import { quoteName, textLiteral } from '../sql-literal.ts'
import { KnexAppliedMeanwhileError, KnexLockedError } from './errors.ts'
import type { Knexfile } from './knexfile.ts'

/** Knex's own table of what is applied, `knex_migrations`, with its lock table. */
export interface KnexBook {
  /** `public.knex_migrations` */
  readonly table: string
  /** File names as Knex has them, in the order in which they were applied. */
  readonly names: readonly string[]
  /** False for a table that never held a row: Knex makes it when it is asked for its status. */
  readonly everUsed: boolean
  /** Holds Knex off until the end of the transaction, and checks that it has not applied the file meanwhile. */
  open(connection: Connection, file: string): Promise<void>
  add(connection: Connection, file: string): Promise<void>
  /** The statement that takes a file out, to be sent with what takes it back. */
  removal(file: string): string
  /** @throws KnexLockedError */
  checkLock(connection: Transaction): Promise<void>
}

/** Reads Knex's table; null when the database has none. `files` are the names of the Knex files. */
export async function readKnexBook(
  connection: Transaction,
  knexfile: Knexfile,
  files: readonly string[],
): Promise<KnexBook | null> {
  const { table, lock, text } = namesOf(knexfile)
  const [found] = await connection.query<{ book: boolean; locks: boolean }>(
    'select to_regclass($1::text) is not null as book, to_regclass($2::text) is not null as locks',
    [table, lock],
  )
  if (!found?.book) return null
  const rows = await connection.query<{ name: string; batch: number | null }>(
    `select name, batch from ${table} order by id`,
  )
  const [sequence] = await connection.query<{ used: boolean }>(
    `select coalesce(last_value is not null, false) as used from pg_catalog.pg_sequences
     where format('%I.%I', schemaname, sequencename) = pg_get_serial_sequence($1, 'id')`,
    [table],
  )
  // One run is one batch, as in Knex, so that its rollback takes back what came together.
  const batch = Math.max(0, ...rows.map((row) => row.batch ?? 0)) + 1
  const endings = compiledEndings(
    files,
    rows.map(({ name }) => name),
  )

  const book: KnexBook = {
    table: text,
    names: rows.map(({ name }) => name),
    everUsed: rows.length > 0 || sequence?.used === true,
    async checkLock(inside) {
      if (!found.locks) return
      const locks = await inside.query<{ locked: boolean }>(`select is_locked = 1 as locked from ${lock} for update`)
      if (locks.some(({ locked }) => locked)) throw new KnexLockedError(`${text}_lock`)
    },
    async open(inside, file) {
      await book.checkLock(inside)
      const now = await inside.query<{ name: string }>(`select name from ${table}`)
      if (now.some(({ name }) => stem(name) === stem(file))) throw new KnexAppliedMeanwhileError(file)
    },
    async add(inside, file) {
      const name = stem(file) + (endings.get(endingOf(file)) ?? endingOf(file))
      await inside.query(`insert into ${table} (name, batch, migration_time) values ($1, $2::int, now())`, [
        name,
        batch,
      ])
    },
    removal(file) {
      return `delete from ${table} where regexp_replace(name, ${textLiteral(ENDING)}, '') = ${textLiteral(stem(file))};`
    },
  }
  return book
}

/** Makes the two tables as Knex makes them. */
export async function createKnexBook(connection: Connection, knexfile: Knexfile): Promise<void> {
  const { table, lock } = namesOf(knexfile)
  await connection.script(`
    create table if not exists ${table} (id serial primary key, name varchar(255), batch integer, migration_time timestamptz);
    create table if not exists ${lock} (index serial primary key, is_locked integer);
    insert into ${lock} (is_locked) select 0 where not exists (select from ${lock});`)
}

function namesOf({ schemaName, tableName }: Knexfile): { table: string; lock: string; text: string } {
  const schema = quoteName(schemaName)
  return {
    table: `${schema}.${quoteName(tableName)}`,
    lock: `${schema}.${quoteName(`${tableName}_lock`)}`,
    text: `${schemaName}.${tableName}`,
  }
}

const ENDING = String.raw`\.[cm]?[jt]s$`

/** A file's name without its ending: `20260101_x.js` is what `20260101_x.ts` was compiled to. */
export function stem(name: string): string {
  return name.replace(new RegExp(ENDING), '')
}

function endingOf(name: string): string {
  return new RegExp(ENDING).exec(name)?.[0] ?? ''
}

/**
 * A project that compiles its migrations has other endings in the table than in the source: `.ts` there is `.js` here.
 * What the newest file says that both know is taken for the others.
 */
function compiledEndings(files: readonly string[], names: readonly string[]): Map<string, string> {
  const endings = new Map(names.map((name) => [stem(name), endingOf(name)]))
  return new Map(
    files.flatMap((file) => (endings.has(stem(file)) ? [[endingOf(file), endings.get(stem(file)) ?? '']] : [])),
  )
}
