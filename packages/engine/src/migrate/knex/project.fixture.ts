import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import knex, { type Knex } from 'knex'
import { connect, type Database } from '@imhotep/postgres'
import { emptyDatabase } from '../../../../../tests/support/database.ts'
import { applyMigrations, type MigrateOptions } from '../apply-migrations.ts'

/** Node 20 reads the files of a project in TypeScript by it; it has no types. */
const readsTypeScript: string = 'tsx'
await import(readsTypeScript)

const modules = fileURLToPath(new URL('../../../../../node_modules', import.meta.url))

/** Knex leaves `.mjs` out unless it is told. */
const loadExtensions = ['.js', '.cjs', '.mjs', '.ts']

export interface Project {
  readonly url: string
  readonly directory: string
  readonly db: Database
  readonly write: (files: Readonly<Record<string, string>>) => Promise<void>
  readonly migrate: (options?: Omit<MigrateOptions, 'files' | 'directory'>) => ReturnType<typeof applyMigrations>
  /** The real Knex on the same database and files. */
  readonly knex: Knex
}

/** A project with the real Knex, its files in `migrations/`, and an empty database. */
export async function withProject(
  files: Readonly<Record<string, string>>,
  work: (project: Project) => Promise<void>,
): Promise<void> {
  await using empty = await emptyDatabase()
  const root = await mkdtemp(join(tmpdir(), 'imhotep-knex-'))
  const directory = join(root, 'migrations')
  await mkdir(directory)
  await symlink(modules, join(root, 'node_modules'))
  const write = async (all: Readonly<Record<string, string>>) => {
    for (const [name, text] of Object.entries(all)) await writeFile(join(directory, name), text)
  }
  await write({ '../package.json': '{"name": "project"}', ...files })
  const db = connect(empty.url, { max: 2 })
  const own = knex({
    client: 'pg',
    connection: empty.url,
    migrations: { directory, loadExtensions },
    pool: { min: 0, max: 2 },
  })
  try {
    await work({
      url: empty.url,
      directory,
      db,
      write,
      migrate: (options) => applyMigrations(empty.url, { ...options, directory }),
      knex: own,
    })
  } finally {
    await own.destroy()
    await db.close()
    await rm(root, { recursive: true })
  }
}

/** A history of four files in the forms that projects have. */
export const library = {
  '20260101100000_authors.js': `
exports.up = async function (knex) {
  await knex.schema.createTable('authors', (table) => {
    table.increments('id')
    table.string('name').notNullable()
    table.timestamps(true, true)
  })
  await knex('authors').insert([{ name: "O'Hara" }, { name: 'What?' }])
}
exports.down = (knex) => knex.schema.dropTable('authors')
`,
  '20260102100000_books.ts': `
import type { Knex } from 'knex'

const isbn: string = 'isbn'

export async function up(knex: Knex): Promise<void> {
  if (await knex.schema.hasTable('books')) return
  await knex.schema.createTable('books', (table) => {
    table.uuid('id').primary().defaultTo(knex.raw('gen_random_uuid()'))
    table.integer('author_id').references('authors.id').onDelete('CASCADE').index()
    table.string(isbn, 20).unique()
    table.enu('state', ['new', 'lent'], { useNative: true, enumName: 'book_state' })
  })
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.dropTable('books')
  await knex.raw('drop type book_state')
}
`,
  '20260103100000_titles.mjs': `
export async function up(knex) {
  await knex.schema.alterTable('books', (table) => table.text('title'))
  for (const { id, name } of await knex('authors').select('id', 'name')) {
    await knex('books').insert({ author_id: id, title: 'By ' + name, state: 'new' })
  }
  if (!(await knex.schema.hasColumn('books', 'title'))) throw new Error('no title')
  await knex.schema.alterTable('books', (table) => table.dropNullable('title'))
}

export async function down(knex) {
  await knex('books').del()
  await knex.schema.alterTable('books', (table) => table.dropColumn('title'))
}
`,
  '20260104100000_index.cjs': `
exports.config = { transaction: false }
exports.up = (knex) => knex.raw('create index concurrently books_title on books (title)')
exports.down = (knex) => knex.raw('drop index concurrently books_title')
`,
}
