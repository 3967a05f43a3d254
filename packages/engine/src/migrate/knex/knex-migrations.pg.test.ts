import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compareCatalogs } from '../../catalog/compare.ts'
import { foldFiles } from '../../catalog/files.ts'
import { readCatalog } from '../../catalog/live.ts'
import type { Catalog } from '../../catalog/model.ts'
import { testServer } from '../../../../../tests/support/database.ts'
import { withScratch } from '../../diff/scratch.ts'
import { undoMigrations } from '../../undo/undo-migrations.ts'
import { MigrationEditedError, MigrationFailedError, MigrationStatementError } from '../errors.ts'
import { migrationStatus } from '../migration-status.ts'
import { readHistory } from '../read-history.ts'
import {
  KnexDisagreesError,
  KnexFilesMissingError,
  KnexInterruptedError,
  KnexLoadError,
  KnexLockedError,
} from './errors.ts'
import { library as all, withProject, type Project } from './project.fixture.ts'

const library: Readonly<Record<string, string>> = all

/** The schema without the tables that tools keep their histories in. */
async function schemaOf({ db }: Project): Promise<Catalog> {
  const catalog = await readCatalog(db)
  for (const name of ['public.knex_migrations', 'public.knex_migrations_lock']) {
    catalog.tables.delete(name)
    catalog.sequences.delete(`${name}_${name.endsWith('lock') ? 'index' : 'id'}_seq`)
  }
  catalog.schemas.delete('core')
  catalog.tables.delete('core.schema_migrations')
  return catalog
}

async function same(a: Promise<Catalog> | Catalog, b: Promise<Catalog> | Catalog): Promise<void> {
  assert.deepEqual(compareCatalogs(await a, await b), [])
}

async function names({ db }: Project): Promise<string[]> {
  const rows = await db.query<{ name: string }>('select name from public.knex_migrations order by id')
  return rows.map(({ name }) => name)
}

const files = Object.keys(library)

test('applyMigrations: a history of Knex files comes to what Knex makes of it, rows included', () =>
  withProject(library, async (ours) => {
    const result = await ours.migrate()

    assert.deepEqual(
      result.applied.map(({ version, file }) => [version, file]),
      files.map((file) => [file.slice(0, 14), file]),
    )
    await withProject(library, async (theirs) => {
      await theirs.knex.migrate.latest()
      const rows = (project: Project) => project.db.query('select title, state from books order by 1')

      await same(schemaOf(ours), schemaOf(theirs))
      assert.deepEqual(await rows(ours), await rows(theirs))
    })
  }))

test('readHistory: the text of Knex files folds into the schema that running them makes', () =>
  withProject(library, async (project) => {
    const planned = await readHistory(project.directory)
    await project.migrate()

    const folded = await foldFiles(planned.map(({ file, text }) => ({ path: file, text })))

    const differences = compareCatalogs(folded, await schemaOf(project), {
      ignore: ({ object }) => object.startsWith('role '),
    })
    assert.deepEqual(differences, [])
  }))

test('undoMigrations: takes every Knex file back by its down, also from the table of Knex, and latest is the same again', () =>
  withProject(library, async (project) => {
    await project.migrate({ keepKnex: true })
    const latest = await schemaOf(project)

    const back = await withScratch(await testServer(), (scratch) =>
      undoMigrations(project.url, { directory: project.directory, scratch, to: '0' }),
    )
    const empty = await schemaOf(project)
    const left = await names(project)
    const again = await project.migrate()

    assert.deepEqual(
      back.steps.map(({ file, how }) => ({ file, how })),
      files.toReversed().map((file) => ({ file, how: 'down' })),
    )
    assert.deepEqual([...empty.tables.keys(), ...empty.types.keys(), ...left], [])
    assert.deepEqual([again.adopted.length, again.applied.length], [0, 4])
    await same(schemaOf(project), latest)
  }))

test('undoMigrations: takes a version out of the table of Knex, too, when it is computed or has an undo file', () =>
  withProject(
    {
      '001_a.js': "exports.up = (knex) => knex.raw('create table a ()')",
      '002_b.js': "exports.up = (knex) => knex.raw('create table b ()')",
      'U002__b.sql': 'drop table b;',
    },
    async (project) => {
      await project.migrate({ keepKnex: true })

      const { steps } = await withScratch(await testServer(), (scratch) =>
        undoMigrations(project.url, { directory: project.directory, scratch, to: '0', allowDataLoss: true }),
      )

      assert.deepEqual(
        steps.map(({ how }) => how),
        ['undo file', 'computed'],
      )
      assert.deepEqual(await names(project), [])
      assert.equal((await project.migrate()).applied.length, 2)
    },
  ))

test('applyMigrations: a migration that fails leaves nothing and is told with its line', () =>
  withProject(library, async (project) => {
    await project.write({
      '20260105100000_fails.ts': `
export async function up(knex) {
  await knex.schema.createTable('left_behind', (table) => table.increments('id'))
  await knex('authors').insert({ id: 1, name: 'secret' })
}`,
    })

    await assert.rejects(project.migrate(), (error: MigrationFailedError) => {
      assert.deepEqual([error.file, error.line, error.sqlstate], ['20260105100000_fails.ts', 4, '23505'])
      assert.ok(!error.message.replaceAll(/^.*\|.*$/gm, '').includes('secret'), error.message)
      return true
    })

    const { versions } = await migrationStatus(project.url, { directory: project.directory })
    assert.equal(versions.at(-1)?.state, 'pending')
    assert.equal((await schemaOf(project)).tables.has('public.left_behind'), false)
  }))

test('applyMigrations: code that fails without asking for rows stops the run before anything is applied', () =>
  withProject(library, async (project) => {
    await project.write({ '20260105100000_fails.js': 'exports.up = async () => {\n  undefined.x()\n}' })

    await assert.rejects(project.migrate(), (error: MigrationFailedError) => {
      assert.match(error.message, /^20260105100000_fails\.js:2:3: /)
      return true
    })

    assert.equal((await schemaOf(project)).tables.size, 0)
  }))

test('applyMigrations: refuses SQL that would end the transaction of its file', () =>
  withProject(
    { '001_a.js': "exports.up = (knex) => knex.raw('create table a (); commit; create table b ()')" },
    (project) => assert.rejects(project.migrate(), MigrationStatementError),
  ))

test('applyMigrations: refuses a concurrent index in a file that has a transaction, and names the way out', () =>
  withProject(
    { '001_a.js': "exports.up = async (knex) => {\n  await knex.raw('create index concurrently i on a (b)')\n}" },
    (project) =>
      assert.rejects(project.migrate(), (error: MigrationStatementError) => {
        assert.equal(error.line, 2)
        assert.match(error.hint ?? '', /transaction: false/)
        return true
      }),
  ))

test('applyMigrations: takes back a nested transaction that rolled back, and keeps the rest', () =>
  withProject(
    {
      '001_a.js': `
exports.up = async (knex) => {
  await knex.schema.createTable('kept', (table) => table.integer('a'))
  await knex.transaction(async (inner) => {
    await inner.schema.createTable('gone', (table) => table.integer('a'))
    throw new Error('back')
  }).catch(() => undefined)
}`,
    },
    async (project) => {
      await project.migrate()

      const [planned] = await readHistory(project.directory)
      const [row] = await project.db.query<{ body: string }>('select body from core.schema_migrations')
      assert.deepEqual([...(await schemaOf(project)).tables.keys()], ['public.kept'])
      assert.equal(row?.body, '-- 001_a.js:3\ncreate table "kept" ("a" integer);\n')
      assert.equal(planned?.text, row?.body)
    },
  ))

test('applyMigrations: a file that forgets to wait for its queries is refused', () =>
  withProject(
    { '001_a.js': "exports.up = async (knex) => { knex.raw('create table a ()').then(() => undefined) }" },
    (project) => assert.rejects(project.migrate(), /ended before its queries/),
  ))

test('applyMigrations: a file without transaction that stopped half-way is not run again by itself', () =>
  withProject(
    {
      '001_a.js': `
exports.config = { transaction: false }
exports.up = async (knex) => {
  await knex.raw('create table a ()')
  await knex.raw('create index concurrently i on a (missing)')
}`,
    },
    async (project) => {
      await assert.rejects(project.migrate(), MigrationFailedError)

      await assert.rejects(project.migrate(), KnexInterruptedError)
      const [row] = await project.db.query('select success, statements_done as done from core.schema_migrations')
      assert.deepEqual(row, { success: false, done: 1 })
    },
  ))

test('applyMigrations: SQL files and Knex files are one history', () =>
  withProject(
    {
      '001_a.sql': 'create table a (id int primary key);',
      '002_b.js': `exports.up = async (knex) => {
        if (await knex.schema.hasTable('a')) await knex.schema.alterTable('a', (table) => table.text('b'))
      }`,
      'R__v.sql': 'create or replace view v as select b from a;',
    },
    async (project) => {
      const planned = await readHistory(project.directory)
      const { applied } = await project.migrate({ allOrNothing: true })

      assert.equal(applied.length, 3)
      assert.equal(planned[1]?.text, '-- 002_b.js:2\nalter table "a" add column "b" text;\n')
      assert.deepEqual(planned[1]?.notes, [])
    },
  ))

test('readHistory: notes where a plan depends on rows, and plans on', () =>
  withProject(library, async ({ directory }) => {
    const notes = (await readHistory(directory)).flatMap(({ file, notes: own = [] }) =>
      own.map((note) => ({ file, ...note })),
    )

    assert.deepEqual(
      notes.map(({ file, step, line, kind }) => ({ file, step, line, kind })),
      [{ file: '20260103100000_titles.mjs', step: 'up', line: 4, kind: 'unknown' }],
    )
  }))

test('readHistory: code that cannot go on without rows is planned with a row of nulls, and as far as it comes where that does not help', () =>
  withProject(
    {
      '001_roles.js': `exports.up = async (knex) => {
  await knex.schema.createTable('roles', (table) => table.increments('id'))
  const { id } = await knex('roles').first('id')
  const [row] = await knex('roles').insert({ id }).returning('*')
  await knex.schema.createTable('users', (table) => table.integer('role').defaultTo(row.id))
}`,
      '002_names.js': `exports.up = async (knex) => {
  await knex.schema.createTable('names', (table) => table.text('name'))
  const { name } = await knex('names').first('name')
  await knex.schema.createTable(name.toLowerCase(), (table) => table.increments('id'))
}`,
      '003_more.js': `exports.up = async (knex) => {
  if (await knex.schema.hasTable('names')) await knex.schema.createTable('more', (table) => table.increments('id'))
}`,
    },
    async ({ directory }) => {
      const files = await readHistory(directory)

      assert.deepEqual(
        files.map(({ text }) => text.match(/create table "\w+"/g)),
        [['create table "roles"', 'create table "users"'], ['create table "names"'], ['create table "more"']],
      )
      assert.deepEqual(
        files.map(({ notes = [] }) => notes.map(({ kind, line }) => `${kind} ${line}`)),
        [['unknown 3', 'unknown 4'], ['unknown 3', 'stopped 3'], []],
      )
    },
  ))

test('readHistory: takes up and down from each form that a module can have', async () => {
  const one = "(knex) => knex.raw('select set_config(1)')"
  const forms = {
    '001_a.js': `exports.up = ${one}; exports.down = ${one}`,
    '002_a.cjs': `module.exports = { up: ${one}, down: ${one} }`,
    '003_a.mjs': `export const up = ${one}; export const down = ${one}`,
    '004_a.mjs': `export default { up: ${one}, down: ${one} }`,
    '005_a.ts': `export const up = ${one}; export const down = ${one}`,
    '006_a.ts': `export default { up: ${one}, down: ${one} }`,
    '007_a.d.ts': 'export declare const up: number',
  }
  await withProject(forms, async ({ directory }) => {
    const history = await readHistory(directory)

    assert.equal(history.length, 6)
    for (const { file, text, undoText } of history) {
      assert.equal(text, `-- ${file}:1\nselect set_config(1);\n`)
      assert.equal(undoText, text)
    }
  })
})

test('readHistory: names the file that exports no up, and the one that does not compile', async () => {
  await withProject({ '001_a.js': 'exports.down = 1' }, ({ directory }) =>
    assert.rejects(readHistory(directory), /'001_a\.js': it exports no function up/),
  )
  await withProject({ '001_a.ts': 'export const up = (' }, ({ directory }) =>
    assert.rejects(readHistory(directory), KnexLoadError),
  )
})

test('applyMigrations: files of one number run in the order of their names, and Knex finds all of them', () =>
  withProject(
    {
      '20260101100000_b.js': `exports.up = (knex) => knex.raw('create table b (id int references a (id))')
exports.down = (knex) => knex.raw('drop table b')`,
      '20260101100000_a.js': `exports.up = (knex) => knex.raw('create table a (id int primary key)')
exports.down = (knex) => knex.raw('drop table a')`,
    },
    async ({ url, directory, db, migrate, knex }) => {
      const { applied } = await migrate({ keepKnex: true })
      const [, pending] = (await knex.migrate.list()) as [unknown[], unknown[]]
      await withScratch(await testServer(), (scratch) =>
        undoMigrations(url, { directory, to: '20260101100000', scratch }),
      )
      const left = await db.query('select version from core.schema_migrations')

      assert.deepEqual(
        applied.map(({ version, file }) => `${version} ${file}`),
        ['20260101100000 20260101100000_a.js', '20260101100000.1 20260101100000_b.js'],
      )
      assert.deepEqual(pending, [])
      assert.deepEqual(left, [{ version: '20260101100000' }])
    },
  ))

test('applyMigrations: without transactions where the knexfile wants none, but for files that want one', () =>
  withProject(
    {
      '../knexfile.js': 'module.exports = { migrations: { disableTransactions: true } }',
      '001_a.js': `exports.up = async (knex) => {
  await knex.raw('create table a (id int)')
  await knex.raw('create index concurrently a_id on a (id)')
}`,
      '002_b.js': `exports.config = { transaction: true }
exports.up = async (knex) => {
  await knex.raw('create table b (id int)')
  await knex.raw('select 1 / 0')
}`,
    },
    async ({ db, migrate }) => {
      await assert.rejects(migrate(), /division by zero/)

      const [there] = await db.query(`select to_regclass('a_id')::text as a, to_regclass('b')::text as b`)
      assert.deepEqual(there, { a: 'a_id', b: null })
    },
  ))

test('readHistory: writes names as the knexfile of the project does', () =>
  withProject(
    {
      '../knexfile.js': `module.exports = {
        client: 'pg', searchPath: ['shop'], migrations: { tableName: 'done' },
        wrapIdentifier: (name, wrap) => wrap(name.replace(/[A-Z]/g, (letter) => '_' + letter.toLowerCase())),
      }`,
      '001_a.js': "exports.up = (knex) => knex.schema.createTable('orderLines', (table) => table.integer('orderId'))",
      '002_b.js': `exports.up = async (knex) => {
        if (await knex.schema.hasTable('order_lines')) await knex.schema.dropTable('orderLines')
      }`,
    },
    async ({ directory }) => {
      const [file, second] = await readHistory(directory)

      assert.equal(
        file?.text,
        'set search_path to "shop";\n-- 001_a.js:1\ncreate table "order_lines" ("order_id" integer);\n',
      )
      assert.match(second?.text ?? '', /drop table "order_lines"/)
      assert.deepEqual(file.knex?.project.knexfile.tableName, 'done')
    },
  ))

test('readHistory: reads a file anew that has changed, whatever kind of module it is', () =>
  withProject(library, async (project) => {
    const before = await readHistory(project.directory)
    for (const [name, text] of Object.entries(library)) {
      await project.write({ [name]: text.replaceAll(/(authors|books)(?=['"])/g, '$1_anew') })
    }

    const after = await readHistory(project.directory)

    assert.equal(before.filter(({ text }) => text.includes('_anew')).length, 0)
    assert.equal(after.filter(({ text }) => text.includes('_anew')).length, 3)
  }))

test('applyMigrations: a Knex file that was only formatted anew is not edited, also when its run depended on rows', () =>
  withProject(library, async (project) => {
    await project.migrate()
    const name = '20260103100000_titles.mjs'
    await project.write({ [name]: (library[name] ?? '').replaceAll('\n', '\n\n') })

    const { warnings } = await project.migrate()
    await project.write({ [name]: (library[name] ?? '').replaceAll("'title'", "'heading'") })

    assert.match(warnings.join(), /titles\.mjs' was changed after it was applied, in comments or white space only/)
    await assert.rejects(project.migrate(), MigrationEditedError)
  }))

test('applyMigrations: takes over what Knex has applied, once', () =>
  withProject(library, async (project) => {
    await project.knex.migrate.latest()

    const before = await migrationStatus(project.url, { directory: project.directory })
    const first = await project.migrate()
    const second = await project.migrate()

    assert.ok(before.versions.every(({ state }) => state === 'applied'))
    assert.deepEqual(
      first.adopted.map(({ file }) => file),
      files,
    )
    assert.deepEqual([first.applied.length, first.already, second.adopted.length, second.already], [0, 4, 0, 4])
  }))

test('applyMigrations: keeps the table of Knex in step, so that Knex finds nothing to do and can take back', () =>
  withProject(library, async (project) => {
    await project.knex.migrate.up()
    await project.migrate()

    const [, pending] = await project.knex.migrate.list()
    assert.deepEqual(pending, [])
    assert.deepEqual(await names(project), files)
    await project.knex.migrate.rollback()

    assert.deepEqual(await names(project), files.slice(0, 1))
    await assert.rejects(project.migrate(), (error: KnexDisagreesError) => {
      assert.deepEqual(error.files, files.slice(1))
      return true
    })
    const { applied } = await project.migrate({ trustKnex: true })
    assert.equal(applied.length, 3)
    assert.deepEqual(await names(project), files)
    const { chainBrokenAt } = await migrationStatus(project.url, { directory: project.directory })
    assert.equal(chainBrokenAt, null)
  }))

test('applyMigrations: calls a file in the table of Knex as Knex knows the compiled one', () =>
  withProject(
    { ...library, '20260105100000_more.ts': 'export const up = (knex: any) => knex.raw(`select 1`)' },
    async (project) => {
      await project.knex.migrate.up()
      await project.knex.migrate.up()
      await project.db.query("update public.knex_migrations set name = replace(name, '.ts', '.js')")

      const { adopted } = await project.migrate()

      assert.equal(adopted.length, 2)
      assert.deepEqual(
        await names(project),
        [...files, '20260105100000_more.ts'].map((file) => file.replace(/\.ts$/, '.js')),
      )
    },
  ))

test('applyMigrations: keepKnex makes the table of Knex, so that a team can move back', () =>
  withProject(library, async (project) => {
    await project.migrate()
    await project.migrate({ keepKnex: true })

    const [batch, applied] = (await project.knex.migrate.latest()) as [number, string[]]

    assert.deepEqual(applied, [])
    assert.equal(batch, 1)
    assert.deepEqual(await names(project), files)
  }))

test('applyMigrations: waits for no lock of Knex that is left behind, and says how to free it', () =>
  withProject(library, async (project) => {
    await project.knex.migrate.up()
    await project.db.query('update public.knex_migrations_lock set is_locked = 1')

    await assert.rejects(project.migrate(), (error: KnexLockedError) => {
      assert.match(error.hint ?? '', /migrate:unlock/)
      return true
    })
    await project.knex.migrate.forceFreeMigrationsLock()
    assert.equal((await project.migrate()).applied.length, 3)
  }))

test('applyMigrations: names what the table of Knex has and the files have not', () =>
  withProject(library, async (project) => {
    await project.knex.migrate.up()
    await project.db.query("update public.knex_migrations set name = '20250101_other.js'")

    await assert.rejects(project.migrate(), (error: KnexFilesMissingError) => {
      assert.deepEqual(error.files, ['20250101_other.js'])
      return true
    })
  }))
